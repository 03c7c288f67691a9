#include "args.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "verbs/verbs.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

cloudos::Failure unusable(std::string message) {
  return fail(ErrorCode::InvalidArgument, std::move(message));
}

class ArgReader {
 public:
  ArgReader(std::span<const Option> options, std::span<const std::string> words)
      : options_(options), words_(words) {}

  Result<Given> read() {
    bool only_places = false;
    while (at_ < words_.size()) {
      const std::string& word = words_[at_++];
      if (!only_places && word == "--") {
        only_places = true;
      } else if (!only_places && word.starts_with("--")) {
        CLOUDOS_CHECK(long_option(word));
      } else if (!only_places && word.size() > 1 && word[0] == '-') {
        CLOUDOS_CHECK(short_option(word));
      } else {
        places_.push_back(word);
      }
    }
    CLOUDOS_CHECK(fill_places());
    for (const Option& option : options_)
      if (option.required && !has(given_, place_name(option.flag)))
        return unusable(has_place(option.flag)
                            ? fmt::format("{} is missing", place_name(option.flag))
                            : fmt::format("{} is needed: {}", option.flag, option.help));
    return std::move(given_);
  }

 private:
  Result<void> long_option(const std::string& word) {
    const auto equals = word.find('=');
    const std::string flag = word.substr(0, equals);
    const auto option = std::find_if(options_.begin(), options_.end(),
                                     [&](const Option& o) { return o.flag == flag; });
    if (option == options_.end()) return unknown(flag);
    if (option->value.empty()) {
      if (equals != word.npos) return unusable(fmt::format("{} takes no value", flag));
      given_[flag] = {""};
      return Result<void>();
    }
    return take(*option, equals == word.npos ? nullptr : word.c_str() + equals + 1);
  }

  Result<void> short_option(const std::string& word) {
    const auto option = std::find_if(options_.begin(), options_.end(),
                                     [&](const Option& o) { return o.shorthand == word[1]; });
    if (option == options_.end() || option->shorthand == 0) return unknown(word);
    if (option->value.empty()) {
      given_[std::string(option->flag)] = {""};
      return Result<void>();
    }
    return take(*option, word.size() > 2 ? word.c_str() + 2 : nullptr);
  }

  Result<void> take(const Option& option, const char* value) {
    if (!value && at_ == words_.size())
      return unusable(fmt::format("{} needs a value: {}", option.flag, option.help));
    auto& values = given_[std::string(option.flag)];
    values.push_back(value ? std::string(value) : words_[at_++]);
    return Result<void>();
  }

  cloudos::Failure unknown(const std::string& flag) const {
    std::vector<std::string_view> flags;
    for (const Option& option : options_)
      if (!has_place(option.flag)) flags.push_back(option.flag);
    const std::string_view near = cloudos::verbs::nearest_of(flag, flags);
    return unusable(fmt::format("there is no option {}{}", flag,
                                near.empty() ? "" : fmt::format("; is it {}?", near)));
  }

  Result<void> fill_places() {
    std::size_t next = 0;
    for (const Option& option : options_) {
      if (!has_place(option.flag)) continue;
      const bool all = option.repeated || option.flag.ends_with("...");
      auto& values = given_[std::string(place_name(option.flag))];
      while (next < places_.size() && (all || values.empty())) values.push_back(places_[next++]);
      if (values.empty()) given_.erase(std::string(place_name(option.flag)));
    }
    if (next < places_.size())
      return unusable(fmt::format("'{}' is one word too many", places_[next]));
    return Result<void>();
  }

  std::span<const Option> options_;
  std::span<const std::string> words_;
  std::size_t at_ = 0;
  std::vector<std::string> places_;
  Given given_;
};

}  // namespace

std::string_view place_name(std::string_view flag) {
  return flag.ends_with("...") ? flag.substr(0, flag.size() - 3) : flag;
}

Result<Given> parse_args(std::span<const Option> options, std::span<const std::string> words) {
  return ArgReader(options, words).read();
}

std::string value_of(const Given& given, std::string_view flag) {
  const auto it = given.find(flag);
  return it == given.end() || it->second.empty() ? std::string() : it->second.back();
}

}  // namespace cli
