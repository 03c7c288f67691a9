#pragma once
#include <string>

#include "run.hpp"

namespace cli {

/// Commands of the program itself: calls by name, completion, manual pages.
bool needs_no_session(const Leaf& leaf);
int run_own_alone(const Leaf& leaf, const Given& given);
int run_own(Session& session, const Leaf& leaf, const Given& given);

/// A completion script made from the table. Errors: InvalidArgument (no such shell).
cloudos::Result<std::string> completion_script(const std::string& shell);
/// cloudos(1) or cloudosd(8) in man's macros. Errors: InvalidArgument (no such page).
cloudos::Result<std::string> man_page(const std::string& page);

}  // namespace cli
