#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/log.hpp"
#include "config/key.hpp"

/// Values by their type: what each wants, and the one way to write it.
namespace cloudos::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr Unit kByteUnits[] = {{"TiB", std::uint64_t{1} << 40},
                               {"GiB", std::uint64_t{1} << 30},
                               {"MiB", std::uint64_t{1} << 20},
                               {"KiB", std::uint64_t{1} << 10}};
constexpr Unit kTimeUnits[] = {{"d", 86'400}, {"h", 3'600}, {"m", 60}, {"s", 1}};

std::span<const Unit> units_of(Type type) {
  if (type == Type::Bytes) return kByteUnits;
  if (type == Type::Seconds) return kTimeUnits;
  return {};
}

/// "90 MiB" for 94371840: the largest unit that divides it.
std::string with_unit(std::uint64_t number, std::span<const Unit> units) {
  for (const Unit& unit : units)
    if (number != 0 && number % unit.factor == 0)
      return fmt::format("{}{}", number / unit.factor, unit.name);
  return std::to_string(number);
}

std::optional<std::uint64_t> number_with_unit(std::string_view text, std::span<const Unit> units) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  const auto number = parse_unsigned(text.substr(0, digits));
  if (!number) return std::nullopt;
  if (digits == text.npos) return number;
  const std::string_view word = trim(text.substr(digits));
  for (const Unit& unit : units)
    if (equals_ignore_case(word, unit.name)) {
      if (*number > UINT64_MAX / unit.factor) return std::nullopt;
      return *number * unit.factor;
    }
  return std::nullopt;
}

/// The choices of "auto, kvm or qemu".
std::vector<std::string_view> choices_of(const Key& key) {
  std::vector<std::string_view> all;
  for (const std::string_view part : split(key.choices, ',')) {
    const std::size_t last = part.find(" or ");
    all.push_back(trim(part.substr(0, last)));
    if (last != part.npos) all.push_back(trim(part.substr(last + 4)));
  }
  return all;
}

bool plain_text(std::string_view text) {
  return utf8_length(text) && std::none_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}

std::optional<std::string> url_text(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);
  const bool http = text.starts_with("http://") && text.size() > 7;
  const bool https = text.starts_with("https://") && text.size() > 8;
  const bool clean = std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '?' && c != '#';
  });
  if (!clean || !(http || https) || text.size() > limits::kUrlChars) return std::nullopt;
  return std::string(text);
}

std::optional<std::string> item_text(Type type, std::string_view item) {
  const auto [name, value] = pair_of(item);
  switch (type) {
    case Type::Listen: {
      const auto endpoint = parse_endpoint(item);
      if (!endpoint) return std::nullopt;
      const bool brackets = endpoint->address.find(':') != std::string::npos;
      const std::string_view scheme =
          !endpoint->tls ? "" : (*endpoint->tls ? "https://" : "http://");
      return fmt::format("{}{}{}{}:{}", scheme, brackets ? "[" : "", endpoint->address,
                         brackets ? "]" : "", endpoint->port);
    }
    case Type::Mapping:
      if (trim(name).empty() || trim(value).empty()) return std::nullopt;
      return fmt::format("{}:{}", trim(name), trim(value));
    default:
      if (item.find_first_of(" \t") != item.npos) return std::nullopt;
      return std::string(item);
  }
}

/// Nothing when an item is wrong or there twice (by its name where it has one).
std::optional<std::string> list_text(Type type, std::string_view text) {
  std::string out;
  std::set<std::string, std::less<>> seen;
  for (const std::string_view part : split(text, ',')) {
    const auto item = item_text(type, trim(part));
    if (trim(part).empty() || !item) return std::nullopt;
    if (!seen.emplace(type == Type::Mapping ? pair_of(*item).first : std::string_view(*item))
             .second)
      return std::nullopt;
    out += (out.empty() ? "" : ", ") + *item;
  }
  return out;
}

std::optional<std::string> canonical_text(const Key& key, std::string_view text) {
  switch (key.type) {
    case Type::Text:
    case Type::Path:
      return std::string(text);
    case Type::Url:
      return url_text(text);
    case Type::Uri:
      if (text.find(':') == text.npos || text.find(' ') != text.npos) return std::nullopt;
      return std::string(text);
    case Type::Count:
    case Type::Bytes:
    case Type::Seconds: {
      const auto number = number_with_unit(text, units_of(key.type));
      if (!number || *number < key.least || *number > key.most) return std::nullopt;
      return with_unit(*number, units_of(key.type));
    }
    case Type::Choice:
      for (const std::string_view choice : choices_of(key))
        if (equals_ignore_case(text, choice)) return std::string(choice);
      return std::nullopt;
    case Type::Switch:
      for (const std::string_view yes : {"yes", "true", "on", "1"})
        if (equals_ignore_case(text, yes)) return "yes";
      for (const std::string_view no : {"no", "false", "off", "0"})
        if (equals_ignore_case(text, no)) return "no";
      return std::nullopt;
    case Type::Names:
    case Type::Mapping:
    case Type::Listen:
      return list_text(key.type, text);
    case Type::Levels: {
      const auto levels = parse_log_levels(text);
      if (!levels) return std::nullopt;
      return to_string(*levels);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string wants(const Key& key) {
  const auto units = units_of(key.type);
  switch (key.type) {
    case Type::Text:
      return "a text of one line";
    case Type::Path:
      return key.name.ends_with("_dir") ? "a folder" : "a file";
    case Type::Url:
      return "an http:// or https:// URL";
    case Type::Uri:
      return fmt::format("a URI such as {}", key.fallback);
    case Type::Count:
      return fmt::format("a number from {} to {}", key.least, key.most);
    case Type::Bytes:
      return fmt::format("a number of bytes with KiB, MiB, GiB or TiB, from {} to {}",
                         with_unit(key.least, units), with_unit(key.most, units));
    case Type::Seconds:
      return fmt::format("a time with s, m, h or d, from {} to {}", with_unit(key.least, units),
                         with_unit(key.most, units));
    case Type::Choice:
      return std::string(key.choices);
    case Type::Switch:
      return "yes or no";
    case Type::Names:
      return "names with commas between, each once";
    case Type::Mapping:
      return "NAME:VALUE, NAME:VALUE, each name once";
    case Type::Listen:
      return "ADDR:PORT, such as 127.0.0.1:5000 or [::1]:5000, each once";
    case Type::Levels:
      return "debug, info, warning or error, and after it ROOM=LEVEL for rooms that differ";
  }
  return {};
}

Result<std::string> canonical(const Key& key, std::string_view text) {
  text = trim(text);
  std::optional<std::string> value;
  if (!text.empty() && plain_text(text)) value = canonical_text(key, text);
  if (!value) return fail(ErrorCode::InvalidArgument, wants(key));
  return std::move(*value);
}

std::vector<std::string> list_of(std::string_view canonical_text_of_list) {
  std::vector<std::string> items;
  if (canonical_text_of_list.empty()) return items;
  for (const std::string_view part : split(canonical_text_of_list, ','))
    items.emplace_back(trim(part));
  return items;
}

std::pair<std::string_view, std::string_view> pair_of(std::string_view item) {
  const std::size_t colon = item.find(':');
  if (colon == item.npos) return {item, {}};
  return {item.substr(0, colon), item.substr(colon + 1)};
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto wrong = [] { return fail(ErrorCode::InvalidArgument, "ADDR:PORT"); };
  std::optional<bool> tls;
  for (const bool with : {false, true}) {
    const std::string_view scheme = with ? "https://" : "http://";
    if (!text.starts_with(scheme)) continue;
    text.remove_prefix(scheme.size());
    tls = with;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return wrong();
  std::string_view address = text.substr(0, colon);
  if (address.starts_with('[')) {
    if (address.size() < 3 || !address.ends_with(']')) return wrong();
    address = address.substr(1, address.size() - 2);
  } else if (address.find(':') != address.npos) {
    return wrong();  // An IPv6 address needs its brackets, or its end is read as the port.
  }
  const auto port = parse_unsigned(text.substr(colon + 1));
  const bool clean = address.find_first_of(" \t[]/,\"") == address.npos;
  if (address.empty() || !clean || !port || *port > 65'535) return wrong();
  return Endpoint{std::string(address), static_cast<std::uint16_t>(*port), tls};
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr std::size_t kLongest = 64;
  std::string_view best;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  if (word.size() > kLongest) return best;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongest) continue;
    // Rows of the usual table of edit distances; swapped neighbours count one.
    std::vector<std::size_t> before, last(candidate.size() + 1), row(candidate.size() + 1);
    for (std::size_t j = 0; j <= candidate.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t change = word[i - 1] == candidate[j - 1] ? 0 : 1;
        row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
        if (i > 1 && j > 1 && word[i - 1] == candidate[j - 2] && word[i - 2] == candidate[j - 1])
          row[j] = std::min(row[j], before[j - 2] + 1);
      }
      before = last;
      last = row;
    }
    if (last.back() < least) {
      least = last.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace cloudos::config
