#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "output.hpp"
#include "session.hpp"
#include "tree.hpp"

namespace cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;    ///< The cloud said no; stderr says why.
inline constexpr int kUsage = 2;     ///< The command line makes no sense.
inline constexpr int kNoCloud = 3;   ///< No cloud was reached, or it refused the login.
inline constexpr int kNotFound = 4;  ///< No such thing.

/// How a result is printed.
struct Printing {
  Format format = Format::Table;
  std::vector<std::string> columns, sort;
  bool with_long = false;
  bool names = true;  ///< Of things that are there by their ids.
};
/// Errors: InvalidArgument (no such format).
cloudos::Result<Printing> printing_of(const Given& given);
/// Puts it on stdout. Errors: InvalidArgument (no such column), StorageFull (stdout).
cloudos::Result<void> print_sheet(Session* session, Sheet sheet, const Printing& printing);
cloudos::Result<void> print_text(std::string_view text);

/// Which of a command's verbs run for what was given. Errors: InvalidArgument (nothing fits: what
/// is missing, or does not go together).
cloudos::Result<std::vector<const cloudos::verbs::Command*>> chosen_verbs(const Leaf& leaf,
                                                                          const Given& given);
/// A command of verbs. Returns the exit code; errors go to stderr as they happen.
int run_verbs(Session& session, const Leaf& leaf, const Given& given);

int exit_code(const cloudos::Error& error);
/// "cloudos: " and the message on stderr; the exit code.
int report(const cloudos::Error& error);

}  // namespace cli
