#include "hypervisor/host.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fstream>

#include "base/text.hpp"
#include "hypervisor/domain_xml.hpp"

namespace cloudos::hypervisor {

bool kvm_usable(const std::filesystem::path& cpuinfo, const std::filesystem::path& device) {
  std::ifstream file(cpuinfo);
  bool has_extension = false;
  for (std::string line; !has_extension && std::getline(file, line);) {
    if (!line.starts_with("flags")) continue;
    for (const std::string_view flag : split(line, ' ')) {
      has_extension = has_extension || flag == "vmx" || flag == "svm";
    }
  }
  if (!has_extension) return false;
  const int fd = ::open(device.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  ::close(fd);
  return true;
}

std::string machine_boot(const std::filesystem::path& proc) {
  std::string boot;
  std::getline(std::ifstream(proc / "sys" / "kernel" / "random" / "boot_id"), boot);
  if (boot.empty() || boot.size() > 64) return {};
  // A container's end takes its guests along, and the kernel lives on. "1 (init) S 0 ...": the 20th
  // field behind the name, which may hold anything.
  std::string line;
  std::getline(std::ifstream(proc / "1" / "stat"), line);
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return boot;
  const auto fields = split(trim(std::string_view(line).substr(name_end + 1)), ' ');
  if (fields.size() > 19) boot += fmt::format("/{}", fields[19]);
  return boot;
}

void measure_disk(const std::filesystem::path& folder, Capabilities& capabilities) {
  auto existing = folder;
  std::error_code error;
  while (!std::filesystem::exists(existing, error) && existing.has_relative_path()) {
    existing = existing.parent_path();
  }
  struct statvfs status {};
  if (::statvfs(existing.c_str(), &status) != 0) return;
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
  capabilities.disk_gib = status.f_blocks * status.f_frsize / kGiB;
  capabilities.disk_free_gib = status.f_bavail * status.f_frsize / kGiB;
}

std::string cpu_info_json(std::string_view capabilities_xml) {
  const auto begin = capabilities_xml.find("<cpu>");
  const auto end = capabilities_xml.find("</cpu>");
  const auto cpu = begin == std::string_view::npos || end == std::string_view::npos || end < begin
                       ? std::string_view()
                       : capabilities_xml.substr(begin, end - begin);
  std::string out = "{";
  for (const std::string_view name : {"arch", "model", "vendor"}) {
    append_json_string(out, name);
    out += ':';
    append_json_string(out, first_element(cpu, name));
    out += ',';
  }
  out += "\"features\":[";
  constexpr std::string_view kFeature = "<feature name=";
  bool first = true;
  for (auto at = cpu.find(kFeature); at != std::string_view::npos;
       at = cpu.find(kFeature, at + 1)) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, first_attribute(cpu.substr(at), "feature", "name"));
  }
  out += "],\"topology\":{";
  constexpr std::pair<std::string_view, std::string_view> kTopology[] = {
      {"cells", "dies"}, {"sockets", "sockets"}, {"cores", "cores"}, {"threads", "threads"}};
  for (const auto& [shown, attribute] : kTopology) {
    const auto number = parse_unsigned(first_attribute(cpu, "topology", attribute));
    out += fmt::format("{}\"{}\":{}", shown == "cells" ? "" : ",", shown, number.value_or(1));
  }
  return out + "}}";
}

}  // namespace cloudos::hypervisor
