#pragma once
#include <span>
#include <string_view>

/// Everything that reads bytes from outside, as functions that take any bytes at all. Each checks
/// what must hold whatever it is given, and aborts when it does not. libFuzzer drives them in the
/// `fuzz` preset; the suite `fuzz` gives them their corpus in every preset.
namespace cloudos::fuzz {

struct Target {
  std::string_view name;  ///< Also of its folder under corpus/.
  void (*run)(std::string_view bytes);
};
std::span<const Target> targets();

/// Ends the process, saying what did not hold.
void expect(bool holds, std::string_view rule);

void run_json_body(std::string_view bytes);
void run_query(std::string_view bytes);
void run_token(std::string_view bytes);
void run_policy(std::string_view bytes);
void run_image(std::string_view bytes);
void run_config(std::string_view bytes);
void run_clouds_yaml(std::string_view bytes);
void run_http_head(std::string_view bytes);
void run_record(std::string_view bytes);
void run_remote_image(std::string_view bytes);
void run_signature(std::string_view bytes);
void run_json_patch(std::string_view bytes);
void run_url(std::string_view bytes);

}  // namespace cloudos::fuzz
