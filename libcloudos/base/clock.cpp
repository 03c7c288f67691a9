#include "cloudos/clock.hpp"

#include <fmt/format.h>

#include <array>

namespace cloudos {

using std::chrono::microseconds;

WallTime SystemClock::wall() const {
  return std::chrono::time_point_cast<microseconds>(std::chrono::system_clock::now());
}
MonoTime SystemClock::mono() const {
  return std::chrono::time_point_cast<microseconds>(std::chrono::steady_clock::now());
}

ManualClock::ManualClock(WallTime start) : wall_(start) {}
WallTime ManualClock::wall() const {
  std::lock_guard lock(mutex_);
  return wall_;
}
MonoTime ManualClock::mono() const {
  std::lock_guard lock(mutex_);
  return mono_;
}
void ManualClock::advance(microseconds by) {
  std::lock_guard lock(mutex_);
  wall_ += by;
  mono_ += by;
}
void ManualClock::jump_wall(microseconds by) {
  std::lock_guard lock(mutex_);
  wall_ += by;
}

namespace {

/// Two decimal digits and what stands before them; `at` moves on.
void put_two(char*& at, char before, unsigned value) {
  *at++ = before;
  *at++ = static_cast<char>('0' + value / 10);
  *at++ = static_cast<char>('0' + value % 10);
}

}  // namespace

std::string format_time(WallTime time, bool micros) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  const int year = static_cast<int>(date.year());
  // Every reply has some of these: by hand, for years that people see.
  std::string text =
      year >= 1000 && year <= 9999 ? std::to_string(year) : fmt::format("{:04}", year);
  std::array<char, 32> rest;
  char* at = rest.data();
  put_two(at, '-', static_cast<unsigned>(date.month()));
  put_two(at, '-', static_cast<unsigned>(date.day()));
  put_two(at, 'T', static_cast<unsigned>(clock.hours().count()));
  put_two(at, ':', static_cast<unsigned>(clock.minutes().count()));
  put_two(at, ':', static_cast<unsigned>(clock.seconds().count()));
  if (micros) {
    auto fraction = static_cast<unsigned>(clock.subseconds().count());
    *at = '.';
    for (int digit = 6; digit > 0; --digit, fraction /= 10)
      at[digit] = static_cast<char>('0' + fraction % 10);
    at += 7;
  }
  *at++ = 'Z';
  return text.append(rest.data(), at);
}

namespace {
/// Reads exactly `count` digits at `at`; -1 when there are none.
int read_digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}
}  // namespace

Result<WallTime> parse_time(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' is not a time like 2026-01-31T12:00:00Z", text.substr(0, 64)));
  };
  const int year = read_digits(text, 0, 4), month = read_digits(text, 5, 2),
            day = read_digits(text, 8, 2), hour = read_digits(text, 11, 2),
            minute = read_digits(text, 14, 2), second = read_digits(text, 17, 2);
  if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0) return bad();
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') ||
      text[13] != ':' || text[16] != ':')
    return bad();
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return bad();
  std::int64_t micros = 0;
  std::size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    std::int64_t unit = 100'000;
    std::size_t digits = 0;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) {
      micros += unit * (text[at] - '0');
      unit /= 10;
    }
    if (digits == 0 || digits > 9) return bad();
  }
  const std::string_view zone = text.substr(at);
  if (!zone.empty() && zone != "Z" && zone != "+00:00") return bad();
  return WallTime{std::chrono::sys_days{date} + std::chrono::hours{hour} +
                  std::chrono::minutes{minute} + std::chrono::seconds{second} +
                  microseconds{micros}};
}

}  // namespace cloudos
