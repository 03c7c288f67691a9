#include <algorithm>

#include <fmt/format.h>

#include "identity/catalog.hpp"
#include "identity/crud.hpp"
#include "identity/registry_records.hpp"

namespace cloudos {

using identity::EndpointRecord;
using identity::RegionRecord;
using identity::ServiceRecord;

namespace {

/// Fills $(name)s and %(name)s. What is not known stays: it is somebody's own text.
std::string fill_url(std::string_view url, const std::map<std::string, std::string>& values) {
  std::string filled;
  for (std::size_t at = 0; at < url.size();) {
    const auto end = url.find(")s", at);
    if ((url[at] == '$' || url[at] == '%') && at + 1 < url.size() && url[at + 1] == '(' &&
        end != std::string_view::npos) {
      const auto value = values.find(std::string(url.substr(at + 2, end - at - 2)));
      if (value != values.end()) {
        filled += value->second;
        at = end + 2;
        continue;
      }
    }
    filled += url[at++];
  }
  return filled;
}

}  // namespace

namespace identity {

Endpoint shown_endpoint(EndpointRecord record, const std::string& public_url) {
  Endpoint endpoint = std::move(record);
  endpoint.url = fill_url(endpoint.url, {{"public_url", public_url}});
  return endpoint;
}

}  // namespace identity

namespace {

Result<void> check_interface(const std::string& interface) {
  if (interface == "public" || interface == "internal" || interface == "admin")
    return Result<void>();
  return fail(ErrorCode::InvalidArgument, "interface: must be public, internal or admin");
}

Result<void> check_url(const std::string& url) {
  const bool known = url.starts_with("http://") || url.starts_with("https://") ||
                     url.starts_with("$(public_url)s");
  if (!known || url.size() > limits::kUrlChars ||
      std::any_of(url.begin(), url.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("url: must be http:// or https:// and at most {} characters",
                            limits::kUrlChars));
  }
  return Result<void>();
}

/// The service must be there; the region is made when it is missing.
Result<void> check_endpoint_ends(store::Txn& txn, const EndpointRecord& record, WallTime now) {
  if (!records::get<ServiceRecord>(txn, record.service)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("service_id: {} could not be found",
                            record.service.value.substr(0, 64)));
  }
  if (record.region.empty() || records::get<RegionRecord>(txn, record.region))
    return Result<void>();
  RegionRecord region;
  region.id = record.region;
  region.created_at = now;
  return records::insert(txn, region);
}

Result<void> check_region_name(const std::string& region) {
  if (region.empty()) return Result<void>();
  return identity::check_title("region", region, limits::kNameChars);
}

struct CatalogRecords {
  std::vector<ServiceRecord> services;
  std::vector<EndpointRecord> endpoints;
  bool any_choice = false;  ///< Some project sees other endpoints than others.
};

Result<CatalogRecords> catalog_records(const store::Snapshot& at,
                                       const IdentitySettings& settings) {
  CatalogRecords found;
  CLOUDOS_TRY(found.services, records::all<ServiceRecord>(at));
  std::erase_if(found.services, [&](const ServiceRecord& service) {
    return settings.left_out.count(service.type) != 0;
  });
  CLOUDOS_TRY(found.endpoints, records::all<EndpointRecord>(at));
  store::ScanOptions one;
  one.limit = 1;
  one.keys_only = true;
  CLOUDOS_TRY(const auto choices,
              at.scan(records::record_prefix(identity::EndpointChoiceRecord::kKind), one));
  found.any_choice = !choices.empty() || !settings.show_all_endpoints;
  return found;
}

/// Leaves what the project sees. Services of which it sees nothing go too.
Result<void> narrow_catalog(const store::Snapshot& at, const ProjectId& project, bool show_all,
                            CatalogRecords& found) {
  if (!found.any_choice || project.empty()) return Result<void>();
  CLOUDOS_TRY(const auto chosen, identity::chosen_endpoints(at, project, found.endpoints));
  if (!chosen && show_all) return Result<void>();
  std::erase_if(found.endpoints, [&](const EndpointRecord& endpoint) {
    return !chosen || !chosen->contains(endpoint.id);
  });
  std::erase_if(found.services, [&](const ServiceRecord& service) {
    return std::none_of(
        found.endpoints.begin(), found.endpoints.end(),
        [&](const EndpointRecord& endpoint) { return endpoint.service == service.id; });
  });
  return Result<void>();
}

std::vector<CatalogEntry> filled_catalog(const CatalogRecords& found, const ProjectId& project,
                                         const UserId& user, const std::string& public_url) {
  std::map<std::string, std::string> values{{"public_url", public_url}, {"user_id", user.value}};
  if (!project.empty()) {
    values["project_id"] = project.value;
    values["tenant_id"] = project.value;
  }
  std::vector<CatalogEntry> list;
  for (const ServiceRecord& service : found.services) {
    if (!service.enabled) continue;
    CatalogEntry entry{service, {}};
    for (const EndpointRecord& endpoint : found.endpoints) {
      if (!endpoint.enabled || endpoint.service != service.id) continue;
      entry.endpoints.push_back(endpoint);
      entry.endpoints.back().url = fill_url(endpoint.url, values);
    }
    list.push_back(std::move(entry));
  }
  return list;
}

identity::CatalogCache::Books books_of(const CatalogRecords& found) {
  identity::CatalogCache::Books books;
  books.by_project = found.any_choice;
  for (const EndpointRecord& endpoint : found.endpoints) {
    const auto names = [&](std::string_view name) {
      return endpoint.url.find(name) != std::string::npos;
    };
    books.by_project = books.by_project || names("(project_id)s") || names("(tenant_id)s");
    books.by_user = books.by_user || names("(user_id)s");
  }
  return books;
}

}  // namespace

Result<std::vector<CatalogEntry>> Identity::catalog(const ProjectId& project,
                                                    const UserId& user) const {
  return impl_->by_snapshot([&](const store::Snapshot& at) -> Result<std::vector<CatalogEntry>> {
    CLOUDOS_TRY(auto found, catalog_records(at, impl_->settings));
    CLOUDOS_CHECK(narrow_catalog(at, project, impl_->settings.show_all_endpoints, found));
    return filled_catalog(found, project, user, impl_->settings.public_url);
  });
}

Result<std::shared_ptr<const std::string>> Identity::catalog_text(
    const ProjectId& project, const UserId& user,
    std::string (*write)(const std::vector<CatalogEntry>&)) const {
  using identity::CatalogCache;
  using Text = std::shared_ptr<const std::string>;
  // Callers share a text where no URL tells them apart.
  const auto key_of = [&](CatalogCache::Books books) {
    return CatalogCache::Key{write, books.by_project ? project.value : std::string(),
                             books.by_user ? user.value : std::string()};
  };
  return impl_->by_snapshot([&](const store::Snapshot& at) -> Result<Text> {
    CLOUDOS_TRY(const auto mark, impl_->mark(at));
    if (const auto books = impl_->catalogs.books(mark)) {
      if (auto known = impl_->catalogs.find(mark, key_of(*books))) return known;
    }
    CLOUDOS_TRY(auto found, catalog_records(at, impl_->settings));
    const auto books = books_of(found);  // By all endpoints: what another project sees may tell.
    CLOUDOS_CHECK(narrow_catalog(at, project, impl_->settings.show_all_endpoints, found));
    auto text = std::make_shared<const std::string>(
        write(filled_catalog(found, project, user, impl_->settings.public_url)));
    impl_->catalogs.put(mark, books, key_of(books), text);
    return text;
  });
}

Result<Region> Identity::create_region(const Context& ctx, const RegionCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_region"));
  auto record = identity::record_of<RegionRecord>(spec, impl_->engine);
  if (!spec.id.empty()) record.id = spec.id;
  record.parent = spec.parent;
  CLOUDOS_CHECK(identity::check_title("id", record.id, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_spec(spec));
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    if (!record.parent.empty()) CLOUDOS_CHECK(records::get<RegionRecord>(txn, record.parent));
    return records::insert(txn, record);
  }));
  return Region(record);
}

Result<Region> Identity::get_region(const Context&, const std::string& id) const {
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(auto record, records::get<RegionRecord>(*at, id));
  return Region(std::move(record));
}

Result<std::vector<Region>> Identity::list_regions(const Context&,
                                                   const IdentityFilter& filter) const {
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  records::Range range;
  if (filter.parent) range = {"parent", *filter.parent, true};
  return identity::listed<Region, RegionRecord>(*at, filter, std::move(range));
}

Result<Region> Identity::update_region(const Context& ctx, const std::string& id,
                                       const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:update_region"));
  CLOUDOS_CHECK(identity::check_update(with, limits::kNameChars));
  Region after;
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    // Regions nest by hand, a few of them; the walk up finds a circle before it is written.
    for (std::string above = with.parent.value_or(""); !above.empty();) {
      if (above == id)
        return fail(ErrorCode::InvalidArgument, "parent_region_id: would make a circle");
      CLOUDOS_TRY(const auto parent, records::get<RegionRecord>(txn, above));
      above = parent.parent;
    }
    CLOUDOS_TRY(auto record, records::modify<RegionRecord>(txn, id, [&](RegionRecord& r) {
      if (with.parent) r.parent = *with.parent;
      return identity::change_common(r, with);
    }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

Result<void> Identity::remove_region(const Context& ctx, const std::string& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:delete_region"));
  return impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::get<RegionRecord>(txn, id));
    if (!txn.none(records::index_prefix(RegionRecord::kKind, "parent", id)))
      return fail(ErrorCode::Conflict, "the region has regions below it: delete them first");
    if (!txn.none(records::index_prefix(EndpointRecord::kKind, "region", id)))
      return fail(ErrorCode::Conflict, "the region has endpoints: delete them first");
    if (!txn.none(records::index_prefix(identity::RegisteredLimitRecord::kKind, "region", id)))
      return fail(ErrorCode::Conflict, "the region has registered limits: delete them first");
    if (!txn.none(records::index_prefix(identity::PolicyUseRecord::kKind, "region", id)))
      return fail(ErrorCode::Conflict, "the region has a policy: take that away first");
    return records::erase<RegionRecord>(txn, id);
  });
}

Result<CatalogService> Identity::create_service(const Context& ctx, const ServiceCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_service"));
  CLOUDOS_CHECK(identity::check_title("type", spec.type, limits::kNameChars));
  if (!spec.name.empty())
    CLOUDOS_CHECK(identity::check_title("name", spec.name, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_spec(spec));
  auto record = identity::record_of<ServiceRecord>(spec, impl_->engine);
  CLOUDOS_CHECK(
      impl_->commit([&](store::Txn& txn) { return records::insert(txn, record); }));
  return CatalogService(record);
}

Result<CatalogService> Identity::get_service(const Context& ctx, const ServiceId& id) const {
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:get_service"));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(auto record, records::get<ServiceRecord>(*at, id));
  return CatalogService(std::move(record));
}

Result<std::vector<CatalogService>> Identity::list_services(const Context& ctx,
                                                            const IdentityFilter& filter) const {
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:list_services"));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  return identity::listed<CatalogService, ServiceRecord>(*at, filter);
}

Result<CatalogService> Identity::update_service(const Context& ctx, const ServiceId& id,
                                                const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:update_service"));
  if (with.type) CLOUDOS_CHECK(identity::check_title("type", *with.type, limits::kNameChars));
  if (with.name && !with.name->empty())
    CLOUDOS_CHECK(identity::check_title("name", *with.name, limits::kNameChars));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
  CatalogService after;
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, records::modify<ServiceRecord>(txn, id, [&](ServiceRecord& r) {
      return identity::change_common(r, with);
    }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

Result<void> Identity::remove_service(const Context& ctx, const ServiceId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:delete_service"));
  CLOUDOS_CHECK(impl_->by_snapshot(
      [&](const store::Snapshot& at) { return records::get<ServiceRecord>(at, id); }));
  const Context all = Context::system(ctx.request_id);
  static constexpr identity::Dependent kOfService[] = {
      identity::dependent<identity::PolicyUseRecord>("service")};
  return store::replan([&]() -> Result<void> {
    CLOUDOS_TRY(const auto at, impl_->snapshot());
    CLOUDOS_TRY(const auto endpoints, records::all<EndpointRecord>(*at, "service", id.value));
    for (const EndpointRecord& endpoint : endpoints) {
      auto erased = remove_endpoint(all, endpoint.id);
      if (!erased && erased.error().code != ErrorCode::NotFound) return erased;
    }
    CLOUDOS_CHECK(impl_->drop_registered_limits(id));
    return impl_->drop_dependents(kOfService, id.value, [&](store::Txn& txn) -> Result<void> {
      for (const std::string_view kind :
           {EndpointRecord::kKind, identity::RegisteredLimitRecord::kKind}) {
        if (!txn.none(records::index_prefix(kind, "service", id.value)))
          return fail(ErrorCode::Stale, "something was added to the service meanwhile");
      }
      return records::erase<ServiceRecord>(txn, id);
    });
  });
}

Result<Endpoint> Identity::create_endpoint(const Context& ctx, const EndpointCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_endpoint"));
  CLOUDOS_CHECK(check_interface(spec.interface));
  CLOUDOS_CHECK(check_url(spec.url));
  CLOUDOS_CHECK(check_region_name(spec.region));
  CLOUDOS_CHECK(identity::check_spec(spec));
  auto record = identity::record_of<EndpointRecord>(spec, impl_->engine);
  record.service = spec.service;
  record.interface = spec.interface;
  record.region = spec.region;
  record.url = spec.url;
  const WallTime now = record.created_at;
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(check_endpoint_ends(txn, record, now));
    return records::insert(txn, record);
  }));
  return identity::shown_endpoint(record, impl_->settings.public_url);
}

Result<Endpoint> Identity::get_endpoint(const Context& ctx, const EndpointId& id) const {
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:get_endpoint"));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(auto record, records::get<EndpointRecord>(*at, id));
  return identity::shown_endpoint(std::move(record), impl_->settings.public_url);
}

Result<std::vector<Endpoint>> Identity::list_endpoints(const Context& ctx,
                                                       const IdentityFilter& filter) const {
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:list_endpoints"));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  records::PageSpec<EndpointRecord> spec;
  if (filter.service) spec.range = {"service", filter.service->value, true};
  spec.matches = [&](const EndpointRecord& r) {
    return (!filter.interface || *filter.interface == r.interface) &&
           (!filter.region || *filter.region == r.region) &&
           (!filter.enabled || *filter.enabled == r.enabled);
  };
  spec.marker = filter.marker;
  spec.limit = filter.limit;
  CLOUDOS_TRY(auto found, records::page(*at, spec));
  std::vector<Endpoint> list;
  for (EndpointRecord& record : found)
    list.push_back(identity::shown_endpoint(std::move(record), impl_->settings.public_url));
  return list;
}

Result<Endpoint> Identity::update_endpoint(const Context& ctx, const EndpointId& id,
                                           const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:update_endpoint"));
  if (with.interface) CLOUDOS_CHECK(check_interface(*with.interface));
  if (with.url) CLOUDOS_CHECK(check_url(*with.url));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
  if (with.region) CLOUDOS_CHECK(check_region_name(*with.region));
  const WallTime now = impl_->engine.clock.wall();
  EndpointRecord after;
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, records::get<EndpointRecord>(txn, id));
    if (with.service) record.service = *with.service;
    if (with.interface) record.interface = *with.interface;
    if (with.region) record.region = *with.region;
    if (with.url) record.url = *with.url;
    CLOUDOS_CHECK(identity::change_common(record, with));
    CLOUDOS_CHECK(check_endpoint_ends(txn, record, now));
    CLOUDOS_CHECK(records::update(txn, record));
    after = std::move(record);
    return Result<void>();
  }));
  return identity::shown_endpoint(std::move(after), impl_->settings.public_url);
}

Result<void> Identity::remove_endpoint(const Context& ctx, const EndpointId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:delete_endpoint"));
  CLOUDOS_CHECK(impl_->by_snapshot(
      [&](const store::Snapshot& at) { return records::get<EndpointRecord>(at, id); }));
  static constexpr identity::Dependent kOfEndpoint[] = {
      identity::dependent<identity::EndpointChoiceRecord>("endpoint"),
      identity::dependent<identity::PolicyUseRecord>("endpoint")};
  return impl_->drop_dependents(kOfEndpoint, id.value, [&](store::Txn& txn) {
    return records::erase<EndpointRecord>(txn, id);
  });
}

}  // namespace cloudos
