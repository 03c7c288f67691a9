#include "fuzz/targets.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace cloudos::fuzz {
namespace {

constexpr Target kTargets[] = {
    {"clouds_yaml", run_clouds_yaml},
    {"config", run_config},
    {"http_head", run_http_head},
    {"image", run_image},
    {"json_body", run_json_body},
    {"json_patch", run_json_patch},
    {"policy", run_policy},
    {"query", run_query},
    {"record", run_record},
    {"remote_image", run_remote_image},
    {"signature", run_signature},
    {"token", run_token},
    {"url", run_url},
};

}  // namespace

std::span<const Target> targets() {
  return kTargets;
}

void expect(bool holds, std::string_view rule) {
  if (holds) return;
  fmt::print(stderr, "does not hold: {}\n", rule);
  std::abort();
}

}  // namespace cloudos::fuzz
