#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cloudos/result.hpp"

namespace cloudos::locale {

/// A template taken apart: "a {} of {}" is the literals "a ", " of ", "" with places between.
struct Template {
  std::vector<std::string> literals;  ///< One more than places.
  std::vector<std::size_t> places;    ///< Which argument each is.
  std::size_t arguments = 0;
  std::size_t own_text = 0;  ///< Characters of the literals.
};
/// As fmt reads it; a place's format is dropped. Errors: InvalidArgument.
Result<Template> parse_template(std::string_view text);

/// One language. Read-only once made: thread-safe.
class Catalogue {
 public:
  /// A message that is no template ("... begins with {") stands for itself.
  /// Errors: InvalidArgument (a translation has other places than its message).
  static Result<Catalogue> make(const std::vector<std::pair<std::string, std::string>>& entries);
  std::string translate(std::string_view message) const { return translate(message, 0); }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Template from, to;
  };
  using Index = std::unordered_map<std::string, std::vector<std::size_t>>;

  std::string translate(std::string_view message, int depth) const;
  std::string translate_end(std::string_view message, int depth) const;
  void try_entry(std::size_t number, std::string_view message, std::size_t& best,
                 std::vector<std::string_view>& best_arguments) const;

  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::string> whole_;  // Messages without places.
  Index by_start_, by_end_;  // By the literal before the first place, or behind the last.
  std::vector<std::size_t> others_;
  std::vector<std::size_t> start_sizes_, end_sizes_;  // That occur in the indexes.
};

}  // namespace cloudos::locale
