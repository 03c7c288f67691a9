#include "cloudos/limits_registry.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "identity/crud.hpp"
#include "identity/quota.hpp"
#include "identity/registry_records.hpp"

namespace cloudos {

using identity::DomainRecord;
using identity::LimitRecord;
using identity::ProjectRecord;
using identity::RegionRecord;
using identity::RegisteredLimitRecord;
using identity::ServiceRecord;

namespace {

Result<void> check_amount(std::string_view what, std::int64_t amount) {
  if (amount >= -1 && amount <= INT32_MAX) return Result<void>();
  return fail(ErrorCode::InvalidArgument,
              fmt::format("{}: must be -1 (as much as there is) to {}", what, INT32_MAX));
}

Result<void> check_count(std::size_t count) {
  if (count > 0 && count <= limits::kLimitsPerCall) return Result<void>();
  return fail(ErrorCode::InvalidArgument,
              fmt::format("limits: 1 to {} at once", limits::kLimitsPerCall));
}

/// Does the cloud itself count this resource, and look here for its limits?
Result<bool> is_counted(store::Txn& txn, const ServiceId& service, const std::string& resource) {
  if (!Quota::is_unified(resource)) return false;
  const auto record = records::get<ServiceRecord>(txn, service);
  if (record) return record->type == "image";
  if (record.error().code == ErrorCode::NotFound) return false;
  return fail(record.error());
}

/// What is registered is what every project may have; `there`: it is, and is not being removed.
Result<void> tell_quota(store::Txn& txn, const RegisteredLimit& limit, bool there) {
  CLOUDOS_TRY(const bool counted, is_counted(txn, limit.service, limit.resource_name));
  if (!counted) return Result<void>();
  return Quota::set_default(txn, limit.resource_name,
                            there ? std::optional(limit.default_limit) : std::nullopt);
}

Result<void> tell_quota(store::Txn& txn, const Limit& limit, bool there) {
  CLOUDOS_TRY(const bool counted, is_counted(txn, limit.service, limit.resource_name));
  if (!counted || limit.project.empty()) return Result<void>();
  return Quota::set_limit(txn, limit.project, limit.resource_name,
                          there ? std::optional(limit.resource_limit) : std::nullopt);
}

/// NotFound of what a body names is the body's fault.
template <class Record, class IdType>
Result<void> check_named(store::Txn& txn, std::string_view member, const IdType& id) {
  const auto record = records::get<Record>(txn, id);
  if (record) return Result<void>();
  if (record.error().code != ErrorCode::NotFound) return fail(record.error());
  return fail(ErrorCode::InvalidArgument, fmt::format("{}: {}", member, record.error().message));
}

Result<void> check_place(store::Txn& txn, const ServiceId& service, const std::string& region) {
  CLOUDOS_CHECK(check_named<ServiceRecord>(txn, "service_id", service));
  if (region.empty()) return Result<void>();
  return check_named<RegionRecord>(txn, "region_id", region);
}

std::optional<RegisteredLimitId> find_registered(store::Txn& txn, const ServiceId& service,
                                                 const std::string& region,
                                                 const std::string& resource) {
  auto id = records::find_unique(txn, RegisteredLimitRecord::kKind, "resource",
                                 service.value + "/" + region, resource);
  if (!id) return std::nullopt;
  return RegisteredLimitId{std::move(*id)};
}

Result<void> check_unused(store::Txn& txn, const RegisteredLimitId& id) {
  if (txn.none(records::index_prefix(LimitRecord::kKind, "registered", id.value)))
    return Result<void>();
  return fail(ErrorCode::Forbidden,
              fmt::format("registered limit {} has limits of projects or domains: delete those "
                          "first",
                          id.value.substr(0, 64)));
}

/// -1 is above everything.
bool exceeds(std::int64_t of_project, std::int64_t of_domain) {
  if (of_domain < 0) return false;
  return of_project < 0 || of_project > of_domain;
}

Failure against_model(const Limit& limit, std::string_view why) {
  return fail(ErrorCode::Forbidden,
              fmt::format("the limit of {} {} on {} is {}: {}",
                          limit.project.empty() ? "domain" : "project",
                          limit.project.empty() ? limit.domain.value : limit.project.value,
                          limit.resource_name, limit.resource_limit, why));
}

bool limit_matches(const Limit& r, const LimitFilter& filter) {
  return (!filter.service || *filter.service == r.service) &&
         (!filter.region || *filter.region == r.region) &&
         (!filter.resource_name || *filter.resource_name == r.resource_name) &&
         (!filter.project || *filter.project == r.project) &&
         (!filter.domain || *filter.domain == r.domain);
}

/// The model of two levels in one state of the store: every project's limit fits under its
/// domain's. Asked with all that a call changes written already.
Result<void> check_two_levels(store::Txn& txn, const Limit& limit,
                              const std::vector<ProjectRecord>& of_domain) {
  CLOUDOS_TRY(const auto registered,
              records::get<RegisteredLimitRecord>(txn, limit.registered));
  const auto own = [&](const std::string& target) -> Result<std::optional<std::int64_t>> {
    const auto id = records::find_unique(txn, LimitRecord::kKind, "target",
                                         registered.id.value, target);
    if (!id) return std::optional<std::int64_t>();
    CLOUDOS_TRY(const auto record, records::get<LimitRecord>(txn, *id));
    return std::optional<std::int64_t>(record.resource_limit);
  };
  if (!limit.project.empty()) {
    CLOUDOS_TRY(const auto project, records::get<ProjectRecord>(txn, limit.project));
    CLOUDOS_TRY(const auto above, own("d/" + project.domain.value));
    if (exceeds(limit.resource_limit, above.value_or(registered.default_limit)))
      return against_model(limit, "that is above its domain's");
    return Result<void>();
  }
  for (const ProjectRecord& project : of_domain) {
    CLOUDOS_TRY(const auto below, own("p/" + project.id.value));
    if (below && exceeds(*below, limit.resource_limit))
      return against_model(limit, "that is below one of its projects'");
  }
  return Result<void>();
}

Result<void> touch_registered(store::Txn& txn, const RegisteredLimitId& id,
                              const std::map<RegisteredLimitId, std::uint64_t>& generations) {
  const auto known = generations.find(id);
  CLOUDOS_CHECK(records::modify<RegisteredLimitRecord>(
      txn, id, [&](RegisteredLimitRecord& r) -> Result<void> {
        if (known != generations.end() && known->second == r.generation) return Result<void>();
        return fail(ErrorCode::Stale, "another limit of the resource was written meanwhile");
      }));
  return Result<void>();
}

/// Writes limits, all or none, and holds them against the model.
Result<void> commit_limits(const Identity::Impl& of, std::vector<LimitRecord>& changed,
                           const std::function<Result<void>(store::Txn&, LimitRecord&)>& write) {
  const bool two_levels = of.settings.limit_model == LimitModel::StrictTwoLevel;
  return store::replan([&]() -> Result<void> {
    // A domain's projects are found by a scan. Whoever writes a limit writes its registered one,
    // so that a commit in between shows.
    std::map<DomainId, std::vector<ProjectRecord>> projects;
    std::map<RegisteredLimitId, std::uint64_t> generations;
    if (two_levels) {
      CLOUDOS_TRY(const auto at, of.snapshot());
      CLOUDOS_TRY(const auto registered, records::all<RegisteredLimitRecord>(*at));
      for (const RegisteredLimitRecord& each : registered) generations[each.id] = each.generation;
      for (const LimitRecord& record : changed) {
        if (record.domain.empty() || projects.contains(record.domain)) continue;
        CLOUDOS_TRY(projects[record.domain],
                    records::all<ProjectRecord>(*at, "domain", record.domain.value));
      }
    }
    return of.commit_quietly([&](store::Txn& txn) -> Result<void> {
      std::vector<LimitRecord> written = changed;
      for (LimitRecord& record : written) CLOUDOS_CHECK(write(txn, record));
      if (two_levels) {
        std::set<RegisteredLimitId> touched;
        for (const LimitRecord& record : written) {
          if (touched.insert(record.registered).second)
            CLOUDOS_CHECK(touch_registered(txn, record.registered, generations));
          CLOUDOS_CHECK(check_two_levels(txn, record, projects[record.domain]));
        }
      }
      changed = std::move(written);
      return Result<void>();
    });
  });
}

}  // namespace

LimitModel LimitsRegistry::model() const {
  return of_.settings.limit_model;
}

Result<std::vector<RegisteredLimit>> LimitsRegistry::create_registered(
    const Context& ctx, const std::vector<RegisteredLimitCreate>& specs) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:create_registered_limits"));
  CLOUDOS_CHECK(check_count(specs.size()));
  std::vector<RegisteredLimitRecord> made;
  for (const RegisteredLimitCreate& spec : specs) {
    CLOUDOS_CHECK(identity::check_title("resource_name", spec.resource_name, limits::kNameChars));
    CLOUDOS_CHECK(check_amount("default_limit", spec.default_limit));
    CLOUDOS_CHECK(identity::check_spec(spec));
    auto record = identity::record_of<RegisteredLimitRecord>(spec, of_.engine);
    record.service = spec.service;
    record.region = spec.region;
    record.resource_name = spec.resource_name;
    record.default_limit = spec.default_limit;
    made.push_back(std::move(record));
  }
  CLOUDOS_CHECK(of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    for (RegisteredLimitRecord record : made) {
      CLOUDOS_CHECK(check_place(txn, record.service, record.region));
      CLOUDOS_CHECK(records::insert(txn, record));
      CLOUDOS_CHECK(tell_quota(txn, record, true));
    }
    return Result<void>();
  }));
  return std::vector<RegisteredLimit>(made.begin(), made.end());
}

Result<RegisteredLimit> LimitsRegistry::get_registered(const Context& ctx,
                                                       const RegisteredLimitId& id) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:get_registered_limit"));
  CLOUDOS_TRY(auto record, of_.by_snapshot([&](const store::Snapshot& at) {
    return records::get<RegisteredLimitRecord>(at, id);
  }));
  return RegisteredLimit(std::move(record));
}

Result<std::vector<RegisteredLimit>> LimitsRegistry::list_registered(
    const Context& ctx, const LimitFilter& filter) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:list_registered_limits"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  records::PageSpec<RegisteredLimitRecord> spec;
  if (filter.service) spec.range = {"service", filter.service->value, true};
  spec.matches = [&](const RegisteredLimitRecord& r) {
    return (!filter.region || *filter.region == r.region) &&
           (!filter.resource_name || *filter.resource_name == r.resource_name);
  };
  spec.marker = filter.marker;
  spec.limit = filter.limit;
  return identity::public_page<RegisteredLimit>(*at, spec);
}

Result<RegisteredLimit> LimitsRegistry::update_registered(const Context& ctx,
                                                          const RegisteredLimitId& id,
                                                          const RegisteredLimitUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:update_registered_limit"));
  if (with.resource_name)
    CLOUDOS_CHECK(
        identity::check_title("resource_name", *with.resource_name, limits::kNameChars));
  if (with.default_limit) CLOUDOS_CHECK(check_amount("default_limit", *with.default_limit));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
  RegisteredLimit after;
  CLOUDOS_CHECK(of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, records::get<RegisteredLimitRecord>(txn, id));
    CLOUDOS_CHECK(check_unused(txn, id));
    CLOUDOS_CHECK(tell_quota(txn, record, false));
    if (with.service) record.service = *with.service;
    if (with.region) record.region = *with.region;
    if (with.resource_name) record.resource_name = *with.resource_name;
    if (with.default_limit) record.default_limit = *with.default_limit;
    if (with.description) record.description = *with.description;
    CLOUDOS_CHECK(check_place(txn, record.service, record.region));
    CLOUDOS_CHECK(records::update(txn, record));
    CLOUDOS_CHECK(tell_quota(txn, record, true));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

Result<void> LimitsRegistry::remove_registered(const Context& ctx, const RegisteredLimitId& id) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:delete_registered_limit"));
  return of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const auto record, records::get<RegisteredLimitRecord>(txn, id));
    CLOUDOS_CHECK(check_unused(txn, id));
    CLOUDOS_CHECK(tell_quota(txn, record, false));
    return records::erase<RegisteredLimitRecord>(txn, id);
  });
}

Result<std::vector<Limit>> LimitsRegistry::create(const Context& ctx,
                                                  const std::vector<LimitCreate>& specs) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:create_limits"));
  CLOUDOS_CHECK(check_count(specs.size()));
  std::vector<LimitRecord> made;
  for (const LimitCreate& spec : specs) {
    if (spec.project.empty() == spec.domain.empty())
      return fail(ErrorCode::InvalidArgument, "limit: needs project_id or domain_id, not both");
    CLOUDOS_CHECK(check_amount("resource_limit", spec.resource_limit));
    CLOUDOS_CHECK(identity::check_spec(spec));
    auto record = identity::record_of<LimitRecord>(spec, of_.engine);
    record.project = spec.project;
    record.domain = spec.domain;
    record.service = spec.service;
    record.region = spec.region;
    record.resource_name = spec.resource_name;
    record.resource_limit = spec.resource_limit;
    made.push_back(std::move(record));
  }
  CLOUDOS_CHECK(commit_limits(of_, made, [](store::Txn& txn, LimitRecord& record) -> Result<void> {
    CLOUDOS_CHECK(check_place(txn, record.service, record.region));
    if (record.project.empty())
      CLOUDOS_CHECK(check_named<DomainRecord>(txn, "domain_id", record.domain));
    else
      CLOUDOS_CHECK(check_named<ProjectRecord>(txn, "project_id", record.project));
    auto registered =
        find_registered(txn, record.service, record.region, record.resource_name);
    if (!registered) {
      return fail(ErrorCode::Forbidden,
                  fmt::format("no limit is registered for {} of that service and region: register "
                              "one first",
                              record.resource_name));
    }
    record.registered = std::move(*registered);
    CLOUDOS_CHECK(tell_quota(txn, record, true));
    return records::insert(txn, record);
  }));
  return std::vector<Limit>(made.begin(), made.end());
}

Result<Limit> LimitsRegistry::get(const Context& ctx, const LimitId& id) const {
  CLOUDOS_CHECK(of_.may_ask(ctx, "identity:get_limit"));
  return of_.by_snapshot([&](const store::Snapshot& at) -> Result<Limit> {
    CLOUDOS_TRY(auto record, records::get<LimitRecord>(at, id));
    PolicyTarget target{record.project, {}};
    target.domain = record.domain;
    if (!record.project.empty()) {
      CLOUDOS_TRY(const auto project, records::get<ProjectRecord>(at, record.project));
      identity::tell(target, project);
    }
    // Others' are not there for who may not see them.
    if (!of_.allow(ctx, "identity:get_limit", std::move(target)))
      return records::not_found(LimitRecord::kKind, id.value);
    return Limit(std::move(record));
  });
}

Result<std::vector<Limit>> LimitsRegistry::list(const Context& ctx,
                                                const LimitFilter& filter) const {
  CLOUDOS_CHECK(of_.may_ask(ctx, "identity:list_limits"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  LimitFilter own = filter;
  if (!of_.allow(ctx, "identity:list_limits")) {
    if (ctx.project.empty() && ctx.domain.empty()) return std::vector<Limit>();
    const bool foreign =
        (filter.project && *filter.project != ctx.project) ||
        (filter.domain && (ctx.domain.empty() || *filter.domain != ctx.domain));
    if (foreign) return std::vector<Limit>();
    if (!ctx.project.empty()) own.project = ctx.project;
    else own.domain = ctx.domain;
  }
  records::PageSpec<LimitRecord> spec;
  if (own.project) spec.range = {"project", own.project->value, true};
  else if (own.domain) spec.range = {"domain", own.domain->value, true};
  spec.matches = [&](const LimitRecord& r) { return limit_matches(r, own); };
  spec.marker = filter.marker;
  spec.limit = filter.limit;
  return identity::public_page<Limit>(*at, spec);
}

Result<Limit> LimitsRegistry::update(const Context& ctx, const LimitId& id,
                                     const LimitUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:update_limit"));
  if (with.resource_limit) CLOUDOS_CHECK(check_amount("resource_limit", *with.resource_limit));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
  std::vector<LimitRecord> changed(1);
  CLOUDOS_TRY(changed[0], of_.by_snapshot([&](const store::Snapshot& at) {
    return records::get<LimitRecord>(at, id);
  }));
  const auto write = [&](store::Txn& txn, LimitRecord& record) -> Result<void> {
    CLOUDOS_TRY(record, records::get<LimitRecord>(txn, id));
    if (with.resource_limit) record.resource_limit = *with.resource_limit;
    if (with.description) record.description = *with.description;
    CLOUDOS_CHECK(tell_quota(txn, record, true));
    return records::update(txn, record);
  };
  CLOUDOS_CHECK(commit_limits(of_, changed, write));
  return Limit(std::move(changed[0]));
}

Result<void> LimitsRegistry::remove(const Context& ctx, const LimitId& id) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:delete_limit"));
  return of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const auto record, records::get<LimitRecord>(txn, id));
    CLOUDOS_CHECK(tell_quota(txn, record, false));
    return records::erase<LimitRecord>(txn, id);
  });
}

Result<void> Identity::Impl::drop_registered_limits(const ServiceId& service) const {
  CLOUDOS_TRY(const auto at, snapshot());
  CLOUDOS_TRY(const auto registered,
              records::all<RegisteredLimitRecord>(*at, "service", service.value));
  static constexpr identity::Dependent kOfRegistered[] = {
      identity::dependent<LimitRecord>("registered")};
  for (const RegisteredLimitRecord& each : registered) {
    CLOUDOS_TRY(const auto of_projects,
                records::all<LimitRecord>(*at, "registered", each.id.value));
    auto dropped =
        drop_dependents(kOfRegistered, each.id.value, [&](store::Txn& txn) -> Result<void> {
          CLOUDOS_CHECK(tell_quota(txn, each, false));
          for (const LimitRecord& limit : of_projects) CLOUDOS_CHECK(tell_quota(txn, limit, false));
          return records::erase<RegisteredLimitRecord>(txn, each.id);
        });
    if (!dropped && dropped.error().code != ErrorCode::NotFound) return dropped;
  }
  return Result<void>();
}

}  // namespace cloudos
