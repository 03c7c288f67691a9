#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "compute/flavors_room.hpp"
#include "compute/records.hpp"
#include "records/table.hpp"

namespace cloudos {

struct Flavors::Impl {
  const Engine engine;
  Result<Flavor> change(const Context& ctx, const FlavorId& id,
                        const std::function<Result<void>(Flavor&)>& change);
};

namespace {

constexpr std::uint64_t kFlavorMost = 2'147'483'647;
constexpr std::size_t kFlavorAccessMost = 1'000;

bool may_use(const Context& ctx, const Flavor& flavor) {
  return flavor.is_public || ctx.is_admin || flavor.access.contains(ctx.project);
}

Result<void> check_flavor_admin(const Context& ctx) {
  if (ctx.is_admin) return Result<void>();
  return fail(ErrorCode::Forbidden, "flavors are changed by administrators only");
}

Result<void> check_range(std::string_view what, std::uint64_t value, std::uint64_t least) {
  if (value >= least && value <= kFlavorMost) return Result<void>();
  return fail(ErrorCode::InvalidArgument,
              fmt::format("{}: must be {} to {}", what, least, kFlavorMost));
}

Result<void> check_flavor_id(const std::string& id) {
  if (id.empty()) return Result<void>();
  CLOUDOS_CHECK(check_name("flavor id", id, 1, limits::kNameChars));
  for (const char c : id) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == ' ' || c == '.' || c == '-' || c == '_';
    if (!plain) {
      return fail(ErrorCode::InvalidArgument,
                  "flavor id: only letters, digits, blanks, and . - _ are possible");
    }
  }
  if (id.front() == ' ' || id.back() == ' ')
    return fail(ErrorCode::InvalidArgument, "flavor id: must not begin or end with a blank");
  return Result<void>();
}

Result<void> check_flavor(const FlavorCreate& spec) {
  CLOUDOS_CHECK(check_flavor_id(spec.id.value));
  CLOUDOS_CHECK(check_name("flavor name", spec.name, 1, limits::kNameChars));
  CLOUDOS_CHECK(check_range("vcpus", spec.vcpus, 1));
  CLOUDOS_CHECK(check_range("ram", spec.ram_mib, 1));
  CLOUDOS_CHECK(check_range("disk", spec.disk_gib, 0));
  if (spec.ephemeral_gib != 0) {
    return fail(ErrorCode::InvalidArgument,
                "ephemeral: only 0 is possible, there are no such disks");
  }
  if (spec.swap_mib != 0)
    return fail(ErrorCode::InvalidArgument, "swap: only 0 is possible, there are no such disks");
  if (!(spec.rxtx_factor > 0.0 && spec.rxtx_factor <= 3.4e38))
    return fail(ErrorCode::InvalidArgument, "rxtx_factor: must be a positive number");
  return Result<void>();
}

using FlavorLess = std::function<bool(const Flavor&, const Flavor&)>;

Result<FlavorLess> flavor_order(const FlavorQuery& query) {
  const auto by = [&](auto member) -> FlavorLess {
    return [member, down = query.descending](const Flavor& a, const Flavor& b) {
      return down ? b.*member < a.*member : a.*member < b.*member;
    };
  };
  const std::string& key = query.sort_key;
  if (key.empty() || key == "flavorid" || key == "id") return by(&Flavor::id);
  if (key == "name") return by(&Flavor::name);
  if (key == "memory_mb") return by(&Flavor::ram_mib);
  if (key == "vcpus") return by(&Flavor::vcpus);
  if (key == "root_gb") return by(&Flavor::disk_gib);
  if (key == "ephemeral_gb") return by(&Flavor::ephemeral_gib);
  if (key == "swap") return by(&Flavor::swap_mib);
  if (key == "rxtx_factor") return by(&Flavor::rxtx_factor);
  if (key == "created_at") return by(&Flavor::created_at);
  if (key == "is_public") return by(&Flavor::is_public);
  if (key == "updated_at" || key == "disabled" || key == "vcpu_weight")
    return FlavorLess([](const Flavor&, const Flavor&) { return false; });
  return fail(ErrorCode::InvalidArgument,
              fmt::format("sort_key: '{}' is not a key to sort flavors by", key.substr(0, 64)));
}

}  // namespace

Flavors::Flavors(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Flavors::~Flavors() = default;

Result<Flavor> Flavors::create(const Context& ctx, const FlavorCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(check_flavor_admin(ctx));
  CLOUDOS_CHECK(check_flavor(spec));
  Flavor flavor;
  flavor.id = spec.id.empty() ? impl_->engine.ids.make<FlavorId>() : spec.id;
  flavor.name = spec.name;
  flavor.vcpus = static_cast<std::uint32_t>(spec.vcpus);
  flavor.ram_mib = spec.ram_mib;
  flavor.disk_gib = spec.disk_gib;
  flavor.rxtx_factor = spec.rxtx_factor;
  flavor.is_public = spec.is_public;
  flavor.created_at = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->engine.store.transact(
      [&](store::Txn& txn) { return records::insert(txn, flavor); }));
  return flavor;
}

Result<Flavor> Flavors::get(const Context& ctx, const FlavorId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  CLOUDOS_TRY(Flavor flavor, records::get<Flavor>(*snapshot, id));
  if (!may_use(ctx, flavor)) return records::not_found(Flavor::kKind, id.value);
  return flavor;
}

Result<std::vector<Flavor>> Flavors::list(const Context& ctx, const FlavorQuery& query) const {
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  records::PageSpec<Flavor> spec;
  spec.range.newest_first = false;
  CLOUDOS_TRY(spec.less, flavor_order(query));
  spec.matches = [&](const Flavor& flavor) {
    return may_use(ctx, flavor) && (!query.is_public || *query.is_public == flavor.is_public ||
                                    (!ctx.is_admin && flavor.access.contains(ctx.project))) &&
           flavor.ram_mib >= query.min_ram_mib && flavor.disk_gib >= query.min_disk_gib;
  };
  spec.marker = query.marker;
  spec.limit = query.limit;
  return records::page(*snapshot, spec);
}

Result<void> Flavors::remove(const Context& ctx, const FlavorId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(check_flavor_admin(ctx));
  CLOUDOS_CHECK(impl_->engine.store.transact(
      [&](store::Txn& txn) { return records::erase<Flavor>(txn, id); }));
  return Result<void>();
}

Result<Flavor> Flavors::Impl::change(const Context& ctx, const FlavorId& id,
                                     const std::function<Result<void>(Flavor&)>& change_flavor) {
  CLOUDOS_CHECK(check_flavor_admin(ctx));
  Flavor changed;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, records::modify<Flavor>(txn, id, change_flavor));
    return Result<void>();
  }));
  return changed;
}

Result<Flavor> Flavors::change_extra_specs(const Context& ctx, const FlavorId& id,
                                           const std::map<std::string, std::string>& set,
                                           const std::vector<std::string>& unset) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(compute::check_items("extra_specs", set, true));
  return impl_->change(ctx, id, [&](Flavor& flavor) -> Result<void> {
    for (const std::string& key : unset) {
      if (flavor.extra_specs.erase(key) == 0) {
        return fail(ErrorCode::NotFound, fmt::format("flavor {} has no extra specs with key {}",
                                                     id.value, key.substr(0, 64)));
      }
    }
    for (const auto& [key, value] : set) flavor.extra_specs.insert_or_assign(key, value);
    return compute::check_items("extra_specs", flavor.extra_specs, true);
  });
}

Result<Flavor> Flavors::add_access(const Context& ctx, const FlavorId& id,
                                   const ProjectId& project) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(check_name("tenant", project.value, 1, limits::kNameChars));
  return impl_->change(ctx, id, [&](Flavor& flavor) -> Result<void> {
    if (flavor.is_public) {
      return fail(ErrorCode::Conflict,
                  "access to a public flavor cannot be given: everybody has it");
    }
    if (flavor.access.size() == kFlavorAccessMost)
      return fail(ErrorCode::TooLarge, "a flavor is shared with at most 1,000 projects");
    if (!flavor.access.insert(project).second) {
      return fail(ErrorCode::AlreadyExists,
                  fmt::format("project {} has access to flavor {} already", project.value,
                              id.value));
    }
    return Result<void>();
  });
}

Result<Flavor> Flavors::remove_access(const Context& ctx, const FlavorId& id,
                                      const ProjectId& project) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return impl_->change(ctx, id, [&](Flavor& flavor) -> Result<void> {
    if (flavor.access.erase(project) == 0) {
      return fail(ErrorCode::NotFound,
                  fmt::format("project {} has no access to flavor {}",
                              project.value.substr(0, 64), id.value));
    }
    return Result<void>();
  });
}

namespace compute {

std::unique_ptr<Flavors> make_flavors(const Engine& engine) {
  return std::make_unique<Flavors>(
      std::unique_ptr<Flavors::Impl>(new Flavors::Impl{.engine = engine}));
}

Result<void> seed_flavors(const Engine& engine) {
  struct Row { const char *id, *name; std::uint32_t vcpus; std::uint64_t ram_mib, disk_gib; };
  static constexpr Row kFirstFlavors[] = {
      {"1", "m1.tiny", 1, 512, 1},      {"2", "m1.small", 1, 2048, 20},
      {"3", "m1.medium", 2, 4096, 40},  {"4", "m1.large", 4, 8192, 80},
      {"5", "m1.xlarge", 8, 16384, 160}, {"42", "m1.nano", 1, 128, 1},
  };
  // The mark stays when an administrator deletes them all: they do not come back.
  const std::string mark = records::record_key("compute_seed", "flavors");
  {
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    CLOUDOS_TRY(const auto seeded, snapshot->get(mark));
    if (seeded) return Result<void>();
  }
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    if (txn.get(mark)) return Result<void>();
    for (const Row& row : kFirstFlavors) {
      Flavor flavor;
      flavor.id = FlavorId{row.id};
      flavor.name = row.name;
      flavor.vcpus = row.vcpus;
      flavor.ram_mib = row.ram_mib;
      flavor.disk_gib = row.disk_gib;
      flavor.created_at = engine.clock.wall();
      CLOUDOS_CHECK(records::insert(txn, flavor));
    }
    txn.put(mark, "1");
    return Result<void>();
  }));
  return Result<void>();
}

Result<void> check_items(std::string_view what, const std::map<std::string, std::string>& items,
                         bool plain_keys) {
  if (items.size() > limits::kMetadataItems) {
    return fail(ErrorCode::QuotaExceeded,
                fmt::format("{}: at most {} items are possible", what, limits::kMetadataItems));
  }
  for (const auto& [key, value] : items) {
    CLOUDOS_CHECK(check_name(fmt::format("{} key", what), key, 1, limits::kNameChars));
    for (const char c : key) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') ||
                         std::string_view(" -_.:").find(c) != std::string_view::npos;
      if (plain_keys && !plain) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("{}: key '{}' may hold letters, digits, blanks and - _ . :", what,
                                key.substr(0, 64)));
      }
    }
    const auto chars = utf8_length(value);
    if (!chars || *chars > limits::kMetadataValueChars) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{}: the value of '{}' must be text of at most {} characters", what,
                              key.substr(0, 64), limits::kMetadataValueChars));
    }
  }
  return Result<void>();
}

}  // namespace compute
}  // namespace cloudos
