#include "placement/records.hpp"

namespace cloudos::placement {

void fields(codec::FieldVisitor& v, HostRecord& h) {
  v.field({1, "id"}, h.id);
  v.field({2, "generation"}, h.generation);
  v.field({3, "number"}, h.number);
  v.field({4, "name"}, h.name);
  v.field({5, "zone"}, h.zone);
  v.field({6, "disabled"}, h.disabled);
  v.field({7, "disabled_reason"}, h.disabled_reason);
  v.field({8, "hypervisor_type"}, h.facts.hypervisor_type);
  v.field({9, "hypervisor_version"}, h.facts.hypervisor_version);
  v.field({10, "architecture"}, h.facts.architecture);
  v.field({11, "virt_type"}, h.facts.virt_type);
  v.field({12, "cpu_info"}, h.facts.cpu_info);
  v.field({13, "vcpus"}, h.facts.vcpus);
  v.field({14, "ram_mib"}, h.facts.ram_mib);
  v.field({15, "disk_gib"}, h.facts.disk_gib);
  v.field({16, "cpu_ratio"}, h.cpu_ratio);
  v.field({17, "ram_ratio"}, h.ram_ratio);
  v.field({18, "disk_ratio"}, h.disk_ratio);
  v.field({19, "reserved_ram_mib"}, h.reserved_ram_mib);
  v.field({20, "created_at"}, h.created_at);
  v.field({21, "forced_down"}, h.forced_down);
  v.unknown(h.unknown);
}

void fields(codec::FieldVisitor& v, HostUsage& u) {
  v.field({1, "id"}, u.id);
  v.field({2, "generation"}, u.generation);
  v.field({3, "vcpus"}, u.vcpus);
  v.field({4, "ram_mib"}, u.ram_mib);
  v.field({5, "disk_gib"}, u.disk_gib);
  v.field({6, "servers"}, u.servers);
  v.unknown(u.unknown);
}

void fields(codec::FieldVisitor& v, Allocation& a) {
  v.field({1, "id"}, a.id);
  v.field({2, "generation"}, a.generation);
  v.field({3, "host"}, a.host);
  v.field({4, "vcpus"}, a.resources.vcpus);
  v.field({5, "ram_mib"}, a.resources.ram_mib);
  v.field({6, "disk_gib"}, a.resources.disk_gib);
  v.unknown(a.unknown);
}

void keys(records::Keys& k, const HostRecord& h) { k.unique("name", "", h.name); }
void keys(records::Keys&, const HostUsage&) {}
void keys(records::Keys& k, const Allocation& a) { k.index("host", a.host.value); }

void fill_capacity(const HostRecord& host, const HostUsage* usage, scheduler::Capacity& vcpus,
                   scheduler::Capacity& ram_mib, scheduler::Capacity& disk_gib) {
  vcpus = {host.facts.vcpus, 0, usage ? usage->vcpus : 0, host.cpu_ratio};
  ram_mib = {host.facts.ram_mib, host.reserved_ram_mib, usage ? usage->ram_mib : 0,
             host.ram_ratio};
  disk_gib = {host.facts.disk_gib, 0, usage ? usage->disk_gib : 0, host.disk_ratio};
}

}  // namespace cloudos::placement
