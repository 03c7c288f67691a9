#pragma once
#include <string>
#include <utility>
#include <vector>

#include "args.hpp"
#include "session.hpp"

namespace cli {

/// What was typed as the verb's parameters. Looks names up, reads files, and where lists are added
/// to or taken from asks for what is there. One value for each option that is no list.
/// Errors: InvalidArgument, NotFound, Conflict.
cloudos::Result<json> parameters_of(Session& session, const cloudos::verbs::Command& command,
                                    const Given& given);

/// "22" and "80:443". Errors: InvalidArgument.
cloudos::Result<std::pair<int, int>> parse_port_range(const std::string& text);
/// "a=x,b=y"; a value may hold '='. Errors: InvalidArgument.
cloudos::Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(
    const std::string& text, const std::string& flag);

}  // namespace cli
