#include "rest/microversion.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace cloudos::rest {
namespace {

constexpr std::string_view kVersionHeader = "OpenStack-API-Version";
constexpr std::string_view kNovaVersionHeader = "X-OpenStack-Nova-API-Version";

/// The value asked for, or empty: the newer header wins, other services' parts are skipped.
std::string_view wanted_version(const Headers& headers) {
  for (const std::string_view part : split(headers.get(kVersionHeader), ',')) {
    const std::string_view item = trim(part);
    const auto blank = item.find_first_of(" \t");
    if (blank != item.npos && equals_ignore_case(item.substr(0, blank), "compute"))
      return trim(item.substr(blank));
  }
  return trim(headers.get(kNovaVersionHeader));
}

/// Decimal without leading zeros.
std::optional<std::uint32_t> version_number(std::string_view text) {
  if (text.empty() || text.size() > 9 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const auto number = parse_unsigned(text);
  if (!number) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

}  // namespace

std::string to_string(Microversion version) {
  return fmt::format("{}.{}", version.major, version.minor);
}

Result<Microversion> negotiate_compute(const Headers& headers) {
  const std::string_view wanted = wanted_version(headers);
  if (wanted.empty()) return kComputeMin;
  if (equals_ignore_case(wanted, "latest")) return kComputeMax;
  const auto dot = wanted.find('.');
  const auto major = version_number(wanted.substr(0, dot));
  const auto minor =
      dot == wanted.npos ? std::optional<std::uint32_t>() : version_number(wanted.substr(dot + 1));
  if (!major || *major == 0 || !minor)
    return fail(ErrorCode::InvalidArgument,
                "The API version asked for is malformed: it must be major.minor, such as 2.1, or "
                "'latest'.");
  const Microversion version{*major, *minor};
  if (version < kComputeMin || version > kComputeMax)
    return fail(
        ErrorCode::Unsupported,
        fmt::format("Version {} is not supported by the API. Minimum is {} and maximum is {}.",
                    to_string(version), to_string(kComputeMin), to_string(kComputeMax)));
  return version;
}

void echo_compute_version(Headers& headers, Microversion version) {
  const std::string text = to_string(version);
  headers.set(kVersionHeader, "compute " + text);
  headers.set(kNovaVersionHeader, text);
  headers.set("Vary", fmt::format("{}, {}", kVersionHeader, kNovaVersionHeader));
}

}  // namespace cloudos::rest
