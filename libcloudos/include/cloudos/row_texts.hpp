#pragma once
#include <cstddef>
#include <functional>
#include <string>

/// Lists as text: for callers that would only write down what they are given.
namespace cloudos {

/// How a thing is told as a row of a list.
template <class T>
struct RowFormat {
  /// Formats with equal keys tell equal things equally, for as long as the program runs: a row's
  /// text is then kept until its thing changes. Empty: not kept.
  std::string key;
  /// Appends one row.
  std::function<void(std::string& out, const T& thing)> write;
};

/// A page of a list, told by a RowFormat.
struct RowTexts {
  std::string text;       ///< The rows, with commas between them.
  std::size_t count = 0;  ///< How many they are.
  std::string last;       ///< Id of the last one.
  bool more = false;      ///< Others come behind the page.
};

}  // namespace cloudos
