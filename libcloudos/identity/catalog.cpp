#include <algorithm>

#include <fmt/format.h>

#include "identity/impl.hpp"

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

/// As records show it: where the cloud is reached is not theirs to know.
Endpoint shown_endpoint(EndpointRecord record, const std::string& public_url) {
  Endpoint endpoint = std::move(record);
  endpoint.url = fill_url(endpoint.url, {{"public_url", public_url}});
  return endpoint;
}

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
};

Result<CatalogRecords> catalog_records(const store::Snapshot& at,
                                       const IdentitySettings& settings) {
  CatalogRecords found;
  CLOUDOS_TRY(found.services, records::all<ServiceRecord>(at));
  std::erase_if(found.services, [&](const ServiceRecord& service) {
    return settings.left_out.count(service.type) != 0;
  });
  CLOUDOS_TRY(found.endpoints, records::all<EndpointRecord>(at));
  return found;
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
    CLOUDOS_TRY(const auto found, catalog_records(at, impl_->settings));
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
    CLOUDOS_TRY(const auto found, catalog_records(at, impl_->settings));
    auto text = std::make_shared<const std::string>(
        write(filled_catalog(found, project, user, impl_->settings.public_url)));
    const auto books = books_of(found);
    impl_->catalogs.put(mark, books, key_of(books), text);
    return text;
  });
}

Result<Region> Identity::create_region(const Context& ctx, const RegionCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_region"));
  RegionRecord record;
  record.id = spec.id.empty() ? impl_->engine.ids.hex() : spec.id;
  CLOUDOS_CHECK(identity::check_title("id", record.id, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_text("description", spec.description));
  CLOUDOS_CHECK(identity::check_extra(spec.extra));
  record.description = spec.description;
  record.parent = spec.parent;
  record.extra = spec.extra;
  record.created_at = impl_->engine.clock.wall();
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
  records::PageSpec<RegionRecord> spec;
  if (filter.parent) spec.range = {"parent", *filter.parent, true};
  spec.marker = filter.marker;
  spec.limit = filter.limit;
  return identity::public_page<Region>(*at, spec);
}

Result<Region> Identity::update_region(const Context& ctx, const std::string& id,
                                       const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:update_region"));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
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
      if (with.description) r.description = *with.description;
      if (with.parent) r.parent = *with.parent;
      return identity::apply_extra(r.extra, with.extra);
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
    return records::erase<RegionRecord>(txn, id);
  });
}

Result<CatalogService> Identity::create_service(const Context& ctx, const ServiceCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_service"));
  CLOUDOS_CHECK(identity::check_title("type", spec.type, limits::kNameChars));
  if (!spec.name.empty())
    CLOUDOS_CHECK(identity::check_title("name", spec.name, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_text("description", spec.description));
  CLOUDOS_CHECK(identity::check_extra(spec.extra));
  ServiceRecord record;
  record.id = ServiceId{impl_->engine.ids.hex()};
  record.type = spec.type;
  record.name = spec.name;
  record.description = spec.description;
  record.enabled = spec.enabled;
  record.extra = spec.extra;
  record.created_at = impl_->engine.clock.wall();
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
  records::PageSpec<ServiceRecord> spec;
  spec.matches = [&](const ServiceRecord& r) {
    if (filter.enabled && *filter.enabled != r.enabled) return false;
    return identity::text_matches(filter.text, [&](std::string_view field) {
      if (field == "type") return std::optional(r.type);
      if (field == "name") return std::optional(r.name);
      if (field == "description") return std::optional(r.description);
      return identity::extra_text(r.extra, field);
    });
  };
  spec.marker = filter.marker;
  spec.limit = filter.limit;
  return identity::public_page<CatalogService>(*at, spec);
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
      if (with.type) r.type = *with.type;
      if (with.name) r.name = *with.name;
      if (with.description) r.description = *with.description;
      if (with.enabled) r.enabled = *with.enabled;
      return identity::apply_extra(r.extra, with.extra);
    }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

Result<void> Identity::remove_service(const Context& ctx, const ServiceId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(get_service(ctx, id));
  return store::replan([&]() -> Result<void> {
    CLOUDOS_TRY(const auto at, impl_->snapshot());
    CLOUDOS_TRY(const auto endpoints, records::all<EndpointRecord>(*at, "service", id.value));
    return impl_->commit([&](store::Txn& txn) -> Result<void> {
      for (const EndpointRecord& endpoint : endpoints) {
        auto erased = records::erase<EndpointRecord>(txn, endpoint.id);
        if (!erased && erased.error().code != ErrorCode::NotFound) return erased;
      }
      if (!txn.none(records::index_prefix(EndpointRecord::kKind, "service", id.value)))
        return fail(ErrorCode::Stale, "an endpoint was added meanwhile");
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
  CLOUDOS_CHECK(identity::check_text("description", spec.description));
  CLOUDOS_CHECK(identity::check_extra(spec.extra));
  EndpointRecord record;
  record.id = EndpointId{impl_->engine.ids.hex()};
  record.service = spec.service;
  record.interface = spec.interface;
  record.region = spec.region;
  record.url = spec.url;
  record.description = spec.description;
  record.enabled = spec.enabled;
  record.extra = spec.extra;
  const WallTime now = record.created_at = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(check_endpoint_ends(txn, record, now));
    return records::insert(txn, record);
  }));
  return shown_endpoint(record, impl_->settings.public_url);
}

Result<Endpoint> Identity::get_endpoint(const Context& ctx, const EndpointId& id) const {
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:get_endpoint"));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(auto record, records::get<EndpointRecord>(*at, id));
  return shown_endpoint(std::move(record), impl_->settings.public_url);
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
    list.push_back(shown_endpoint(std::move(record), impl_->settings.public_url));
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
    if (with.description) record.description = *with.description;
    if (with.enabled) record.enabled = *with.enabled;
    CLOUDOS_CHECK(identity::apply_extra(record.extra, with.extra));
    CLOUDOS_CHECK(check_endpoint_ends(txn, record, now));
    CLOUDOS_CHECK(records::update(txn, record));
    after = std::move(record);
    return Result<void>();
  }));
  return shown_endpoint(std::move(after), impl_->settings.public_url);
}

Result<void> Identity::remove_endpoint(const Context& ctx, const EndpointId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:delete_endpoint"));
  return impl_->commit(
      [&](store::Txn& txn) { return records::erase<EndpointRecord>(txn, id); });
}

}  // namespace cloudos
