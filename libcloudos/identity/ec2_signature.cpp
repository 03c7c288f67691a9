#include "identity/ec2_signature.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "base/text.hpp"

namespace cloudos::identity {
namespace {

using Params = std::map<std::string, std::string>;
constexpr std::string_view kVersion4 = "AWS4-HMAC-SHA256";

Failure unreadable(std::string_view why) {
  return fail(ErrorCode::Unauthenticated, fmt::format("the signature cannot be checked: {}", why));
}

std::string hmac_of(const EVP_MD* digest, std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  HMAC(digest, key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string hex_of(std::string_view bytes) {
  return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

const std::string* param_of(const Params& params, const std::string& name) {
  const auto found = params.find(name);
  return found == params.end() ? nullptr : &found->second;
}

/// Headers by lower-case name, values without blanks around and with single ones between.
Params plain_headers(const Params& headers) {
  Params plain;
  for (const auto& [name, value] : headers) {
    std::string squeezed;
    for (const char c : trim(value))
      if (c != ' ' || squeezed.empty() || squeezed.back() != ' ') squeezed += c;
    plain[fold_case(trim(name))] = std::move(squeezed);
  }
  return plain;
}

void append_escaped(std::string& out, std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
}

/// Version 1 sorts without regard to case.
std::string joined_params(const Params& params) {
  std::vector<const Params::value_type*> all;
  for (const auto& param : params)
    if (param.first != "Signature") all.push_back(&param);
  std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) {
    return fold_case(a->first) < fold_case(b->first);
  });
  std::string text;
  for (const auto* param : all) text += param->first + param->second;
  return text;
}

Result<ComputedSignature> with_timestamp(const Params& params, std::string text) {
  const std::string* const stamp = param_of(params, "Timestamp");
  const auto at = stamp ? read_signing_time(*stamp) : std::nullopt;
  if (!at) return unreadable("it has no Timestamp, or one that is no time");
  return ComputedSignature{std::move(text), *at, std::nullopt};
}

Result<ComputedSignature> version_2(const SignedRequest& request, std::string_view host,
                                    std::string_view secret) {
  Params params = request.params;
  std::string& method = params["SignatureMethod"];
  const EVP_MD* digest = EVP_sha256();
  if (method == "HmacSHA1")
    digest = EVP_sha1();
  else if (method.empty())
    method = "HmacSHA256";
  else if (method != "HmacSHA256")
    return unreadable("its SignatureMethod is not known");
  const std::string text =
      fmt::format("{}\n{}\n{}\n{}", request.verb, host, request.path, canonical_query(params));
  return with_timestamp(params, to_base64(hmac_of(digest, secret, text)));
}

/// What version 4 says of itself: in the header Authorization, or in the query.
struct Version4 {
  std::string credential, signed_headers, date;
};

std::string authorization_part(std::string_view header, std::string_view name) {
  const std::string mark = fmt::format("{}=", name);
  const auto at = header.find(mark);
  if (at == header.npos) return {};
  const std::string_view rest = header.substr(at + mark.size());
  return std::string(trim(rest.substr(0, rest.find(','))));
}

std::optional<Version4> read_version_4(const SignedRequest& request, const Params& headers) {
  const auto query = [&](const std::string& name) {
    const std::string* const value = param_of(request.params, name);
    return value ? *value : std::string();
  };
  Version4 read;
  const std::string* const authorization = param_of(headers, "authorization");
  if (authorization && authorization->starts_with(kVersion4)) {
    read.credential = authorization_part(*authorization, "Credential");
    read.signed_headers = authorization_part(*authorization, "SignedHeaders");
  } else if (query("X-Amz-Algorithm") == kVersion4) {
    read.credential = query("X-Amz-Credential");
    read.signed_headers = query("X-Amz-SignedHeaders");
  } else {
    return std::nullopt;
  }
  const std::string* const date = param_of(headers, "x-amz-date");
  read.date = date ? *date : query("X-Amz-Date");
  return read;
}

/// `scope`: {day, region, service, "aws4_request"}.
std::string version_4_text(const std::vector<std::string_view>& scope, std::string_view secret,
                           std::string_view string_to_sign) {
  std::string key = hmac_of(EVP_sha256(), fmt::format("AWS4{}", secret), scope[0]);
  for (std::size_t i = 1; i < 4; ++i) key = hmac_of(EVP_sha256(), key, scope[i]);
  return hex_of(hmac_of(EVP_sha256(), key, string_to_sign));
}

std::string canonical_headers(const Params& headers, std::string_view signed_names) {
  const auto agent = headers.find("user-agent");
  // Very old boto leaves the port out of what it signs.
  const bool old_boto = agent != headers.end() && agent->second.starts_with("Boto/2.") &&
                        agent->second.size() > 9 && agent->second[8] == '.' &&
                        agent->second[9] >= '0' && agent->second[9] <= '2';
  std::string text;
  for (const std::string_view name : split(signed_names, ';')) {
    const auto found = headers.find(std::string(name));
    if (found == headers.end()) continue;
    std::string_view value = found->second;
    if (name == "host" && old_boto) value = value.substr(0, value.find(':'));
    text += fmt::format("{}:{}\n", name, value);
  }
  return text.empty() ? "\n" : text;
}

Result<ComputedSignature> version_4(const SignedRequest& request, const Params& headers,
                                    const Version4& told, std::string_view secret) {
  const auto parts = split(told.credential, '/');
  if (parts.size() != 5 || parts[4] != "aws4_request")
    return unreadable("its Credential is not access/day/region/service/aws4_request");
  if (parts[0] != request.access) return unreadable("it names another access key");
  const auto at = read_signing_time(told.date);
  if (!at || !told.date.starts_with(parts[1]) || parts[1].size() != 8)
    return unreadable("it has no X-Amz-Date, or one that is not of its Credential's day");
  std::string verb = request.verb;
  std::transform(verb.begin(), verb.end(), verb.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  // Parameters of a POST are in the body, whose hash is signed.
  const std::string query = verb == "POST" ? std::string() : canonical_query(request.params);
  const std::string whole = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", verb, request.path, query,
                                        canonical_headers(headers, told.signed_headers),
                                        told.signed_headers, request.body_hash);
  const std::string text = fmt::format("{}\n{}\n{}/{}/{}/aws4_request\n{}", kVersion4, told.date,
                                       parts[1], parts[2], parts[3], hex_of(sha256(whole)));
  const std::vector<std::string_view> scope(parts.begin() + 1, parts.end());
  return ComputedSignature{version_4_text(scope, secret, text), *at, std::nullopt};
}

Result<ComputedSignature> s3_version_4(std::string_view text, std::string_view secret) {
  const auto lines = split(text, '\n');
  if (lines.size() != 4) return unreadable("what is signed has not four lines");
  const auto scope = split(lines[2], '/');
  const auto at = read_signing_time(lines[1]);
  if (scope.size() != 4 || scope[2] != "s3" || scope[3] != "aws4_request" || !at ||
      !lines[1].starts_with(scope[0]) || scope[0].size() != 8) {
    return unreadable("its scope is not day/region/s3/aws4_request of its time");
  }
  return ComputedSignature{version_4_text(scope, secret, text), *at, std::nullopt};
}

/// "VERB\nMD5\ntype\ndate\nx-amz-…:…\n/resource"; a signed URL has its end instead of a date.
Result<ComputedSignature> s3_version_1(std::string_view text, std::string_view secret) {
  const auto lines = split(text, '\n');
  if (lines.size() < 5) return unreadable("what is signed is no S3 request");
  ComputedSignature made{to_base64(hmac_of(EVP_sha1(), secret, text)), {}, std::nullopt};
  std::string_view date = trim(lines[3]);
  if (const auto end = parse_unsigned(date); end && *end < (std::uint64_t{1} << 40)) {
    made.expires_at = WallTime{std::chrono::seconds(*end)};
    return made;
  }
  for (std::size_t i = 4; i < lines.size(); ++i)
    if (lines[i].starts_with("x-amz-date:")) date = trim(lines[i].substr(11));
  const auto at = read_signing_time(date);
  if (!at) return unreadable("it has no date");
  made.signed_at = *at;
  return made;
}

}  // namespace

std::string canonical_query(const Params& params) {
  std::string query;
  for (const auto& [name, value] : params) {
    if (name == "Signature" || name == "X-Amz-Signature") continue;
    if (!query.empty()) query += '&';
    append_escaped(query, name);
    query += '=';
    append_escaped(query, value);
  }
  return query;
}

std::optional<WallTime> read_signing_time(std::string_view text) {
  const auto number = [&](std::size_t at, std::size_t digits) -> std::optional<unsigned> {
    if (at + digits > text.size()) return std::nullopt;
    const auto value = parse_unsigned(text.substr(at, digits));
    return value ? std::optional<unsigned>(static_cast<unsigned>(*value)) : std::nullopt;
  };
  const auto made = [](std::optional<unsigned> year, std::optional<unsigned> month,
                       std::optional<unsigned> day, std::optional<unsigned> hour,
                       std::optional<unsigned> minute,
                       std::optional<unsigned> second) -> std::optional<WallTime> {
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(*month), std::chrono::day(*day)};
    if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    return WallTime{std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(*hour) +
                    std::chrono::minutes(*minute) + std::chrono::seconds(*second)};
  };
  if (text.size() == 16 && text[8] == 'T' && text[15] == 'Z')
    return made(number(0, 4), number(4, 2), number(6, 2), number(9, 2), number(11, 2),
                number(13, 2));
  if (text.size() >= 19 && text.size() <= 32 && text[4] == '-' && text[7] == '-' &&
      (text[10] == 'T' || text[10] == ' ') && text[13] == ':' && text[16] == ':') {
    std::string_view rest = text.substr(19);
    if (rest.starts_with('.')) {
      std::size_t digits = 1;
      while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') ++digits;
      rest.remove_prefix(digits);
    }
    if (!rest.empty() && rest != "Z" && rest != "+00:00") return std::nullopt;
    return made(number(0, 4), number(5, 2), number(8, 2), number(11, 2), number(14, 2),
                number(17, 2));
  }
  // "Thu, 02 Jan 2020 03:04:05 GMT"
  if (text.size() < 29 || text.substr(3, 2) != ", " || text[19] != ':' || text[22] != ':')
    return std::nullopt;
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const auto month = kMonths.find(text.substr(8, 3));
  const std::string_view zone = text.substr(26);
  if (month == kMonths.npos || month % 3 != 0 ||
      (zone != "GMT" && zone != "+0000" && zone != "UTC"))
    return std::nullopt;
  return made(number(12, 4), static_cast<unsigned>(month / 3 + 1), number(5, 2), number(17, 2),
              number(20, 2), number(23, 2));
}

Result<ComputedSignature> ec2_signature(const SignedRequest& request, std::string_view host,
                                        std::string_view secret) {
  const std::string* const version = param_of(request.params, "SignatureVersion");
  if (version == nullptr) {
    const Params headers = plain_headers(request.headers);
    const auto told = read_version_4(request, headers);
    if (told) return version_4(request, headers, *told, secret);
    return unreadable("it has no SignatureVersion and is not of version 4");
  }
  if (*version == "2") return version_2(request, host, secret);
  if (*version == "1") {
    return with_timestamp(request.params,
                          to_base64(hmac_of(EVP_sha1(), secret, joined_params(request.params))));
  }
  const std::string* const action = param_of(request.params, "Action");
  const std::string* const stamp = param_of(request.params, "Timestamp");
  if (*version != "0" || action == nullptr || stamp == nullptr)
    return unreadable("its SignatureVersion is not known, or what that signs is missing");
  return with_timestamp(request.params, to_base64(hmac_of(EVP_sha1(), secret, *action + *stamp)));
}

bool s3_changes(const SignedRequest& request) {
  const auto lines = split(request.string_to_sign, '\n');
  if (lines.size() < 5 || parse_unsigned(trim(lines[3]))) return false;
  return lines[0] == "PUT" || lines[0] == "POST" || lines[0] == "DELETE";
}

Result<ComputedSignature> s3_signature(const SignedRequest& request, std::string_view secret) {
  if (request.string_to_sign.starts_with("AWS4"))
    return s3_version_4(request.string_to_sign, secret);
  return s3_version_1(request.string_to_sign, secret);
}

}  // namespace cloudos::identity
