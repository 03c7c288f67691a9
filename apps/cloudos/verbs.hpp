#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "body.hpp"
#include "output.hpp"

namespace cli {

enum class Verb { Create, List, Show, Delete, TokenIssue };

/// One command, as the command line gave it.
struct Command {
  const Noun* noun = nullptr;  ///< Null for token issue.
  Verb verb = Verb::List;
  std::vector<std::string> subjects;  ///< Create and show: one. Delete: one or more.
  Given given;
  std::string cloud;
  Format format = Format::Table;
  std::vector<std::string> columns;
  bool wait = false;
  std::chrono::seconds patience{600};
};

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;    ///< The cloud said no; stderr says why.
inline constexpr int kUsage = 2;     ///< The command line makes no sense.
inline constexpr int kNoCloud = 3;   ///< No cloud was reached, or it refused the login.
inline constexpr int kNotFound = 4;  ///< No such thing.

/// Does it; results on stdout, everything else on stderr. Returns the exit code.
int run(const Command& command);

}  // namespace cli
