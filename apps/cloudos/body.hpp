#pragma once
#include <map>
#include <string>
#include <vector>

#include "session.hpp"

namespace cli {

/// What was given for each option, by flag; Constant ones have one empty text.
using Given = std::map<std::string, std::vector<std::string>>;

/// The body of a create request. Looks names up. Errors: InvalidArgument, NotFound, Conflict.
cloudos::Result<json> create_body(Session& session, const Noun& noun, const std::string& subject,
                                  const Given& given);

/// "22" and "80:443". Errors: InvalidArgument.
cloudos::Result<std::pair<int, int>> parse_port_range(const std::string& text);
/// "a=x,b=y"; a value may hold '='. Errors: InvalidArgument.
cloudos::Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(
    const std::string& text, const std::string& flag);

}  // namespace cli
