#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "base/mutex.hpp"
#include "cloudos/limits.hpp"
#include "image/metadefs/metadefs_room.hpp"

namespace cloudos {

struct Metadefs::Impl {
  explicit Impl(const Engine& e) : engine(e) {}

  const Engine engine;
  Mutex loading;
  std::atomic<bool> loaded{false};

  /// Loads what of the catalogue never was: one commit, once in the life of a folder.
  Result<void> load();
  Result<void> load_into(store::Txn& txn, const std::vector<MetadefNamespace>& usual) const;
  Result<std::unique_ptr<store::Snapshot>> look();
  /// A namespace the caller may see. Errors: NotFound.
  Result<MetadefNamespace> visible(const Context& ctx, const store::Snapshot& at,
                                   std::string_view name) const;
  /// One commit that changes one the caller may change, with its new updated_at.
  Result<MetadefNamespace> change(const Context& ctx, std::string_view name,
                                  const std::function<Result<void>(MetadefNamespace&)>& edit);
  /// Types that are new become known with the association.
  Result<void> know_types(store::Txn& txn, const MetadefNamespace& space, WallTime now) const;
};

namespace {

bool may_change_metadef(const Context& ctx, const MetadefNamespace& space) {
  return ctx.is_admin || (!space.owner.empty() && space.owner == ctx.project);
}
bool may_see_metadef(const Context& ctx, const MetadefNamespace& space) {
  return space.visibility == MetadefVisibility::Public || may_change_metadef(ctx, space);
}

Failure metadef_not_found(std::string_view name) {
  return fail(ErrorCode::NotFound,
              fmt::format("metadata definition namespace '{}' does not exist", name.substr(0, 80)));
}
Failure part_not_found(std::string_view what, std::string_view name) {
  return fail(ErrorCode::NotFound, fmt::format("{} '{}' is not in this namespace", what,
                                               name.substr(0, 80)));
}
Failure part_exists(std::string_view what, std::string_view name) {
  return fail(ErrorCode::AlreadyExists,
              fmt::format("{} '{}' is in this namespace already", what, name));
}

Result<void> check_unprotected(const MetadefNamespace& space) {
  if (!space.is_protected) return Result<void>();
  return fail(ErrorCode::Forbidden,
              fmt::format("metadata definition namespace '{}' is protected", space.name));
}

Result<void> check_metadef_owner(const Context& ctx, const ProjectId& owner) {
  if (owner == ctx.project || ctx.is_admin) return Result<void>();
  return fail(ErrorCode::Forbidden, "only admins may give a namespace to another project");
}

/// What is stored is bounded as a whole: a namespace is one record.
Result<void> check_metadef_size(const MetadefNamespace& space) {
  MetadefNamespace copy = space;
  const std::size_t size = codec::encode_record(copy, MetadefNamespace::kSchema).size();
  if (size <= limits::kMetadefBytes) return Result<void>();
  return fail(ErrorCode::TooLarge, fmt::format("namespace '{}' has {} bytes, at most {} allowed",
                                               space.name, size, limits::kMetadefBytes));
}

void stamp(MetadefProperty&, WallTime) {}
template <class Item>
void stamp(Item& item, WallTime now) {
  if (item.created_at == WallTime{}) item.created_at = now;
  item.updated_at = now;
}
void keep_birth(MetadefProperty&, const MetadefProperty&) {}
template <class Item>
void keep_birth(Item& item, const Item& before) { item.created_at = before.created_at; }

template <class Item>
Result<void> add_item(std::string_view what, std::map<std::string, Item>& items, Item& item,
                      WallTime now) {
  if (items.contains(item.name)) return part_exists(what, item.name);
  stamp(item, now);
  items.emplace(item.name, item);
  return Result<void>();
}

/// In place of the one called `name`.
template <class Item>
Result<void> set_item(std::string_view what, std::map<std::string, Item>& items,
                      std::string_view name, Item& item, WallTime now) {
  const auto there = items.find(std::string(name));
  if (there == items.end()) return part_not_found(what, name);
  if (item.name != name && items.contains(item.name)) return part_exists(what, item.name);
  keep_birth(item, there->second);
  stamp(item, now);
  items.erase(there);
  items.emplace(item.name, item);
  return Result<void>();
}

template <class Item>
Result<void> remove_item(std::string_view what, std::map<std::string, Item>& items,
                         std::string_view name) {
  if (items.erase(std::string(name)) == 0) return part_not_found(what, name);
  return Result<void>();
}

void stamp_all(MetadefNamespace& space, WallTime now) {
  space.created_at = space.updated_at = now;
  for (auto& [name, object] : space.objects) {
    object.created_at = {};
    stamp(object, now);
  }
  for (auto& [name, tag] : space.tags) {
    tag.created_at = {};
    stamp(tag, now);
  }
  for (auto& [type, association] : space.associations) {
    association.created_at = {};
    stamp(association, now);
  }
}

bool metadef_matches(const Context& ctx, const MetadefQuery& query, const MetadefNamespace& space) {
  if (!may_see_metadef(ctx, space)) return false;
  if (query.visibility && space.visibility != *query.visibility) return false;
  return query.resource_types.empty() ||
         std::any_of(query.resource_types.begin(), query.resource_types.end(),
                     [&](const std::string& type) { return space.associations.contains(type); });
}

bool metadef_before(const MetadefQuery& query, const MetadefNamespace& a,
                    const MetadefNamespace& b) {
  const auto order = query.sort == MetadefSortKey::CreatedAt   ? a.created_at <=> b.created_at
                     : query.sort == MetadefSortKey::UpdatedAt ? a.updated_at <=> b.updated_at
                                                               : a.name <=> b.name;
  if (order != 0) return query.descending ? order > 0 : order < 0;
  return a.name < b.name;  // The catalogue has one time for all.
}

}  // namespace

std::unique_ptr<Metadefs> make_metadefs(const Engine& engine) {
  return std::make_unique<Metadefs>(std::make_unique<Metadefs::Impl>(engine));
}

Metadefs::Metadefs(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Metadefs::~Metadefs() = default;

Result<void> Metadefs::Impl::load() {
  if (loaded) return Result<void>();
  const LockGuard lock(loading);
  if (loaded) return Result<void>();
  const auto usual = image::usual_metadefs();
  {
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    const auto mark = records::get<image::MetadefCatalogue>(*snapshot, std::string_view("usual"));
    if (mark && std::all_of(usual.begin(), usual.end(), [&](const MetadefNamespace& space) {
          return mark->loaded.contains(space.name);
        })) {
      loaded = true;
      return Result<void>();
    }
  }
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) { return load_into(txn, usual); }));
  loaded = true;
  return Result<void>();
}

Result<void> Metadefs::Impl::load_into(store::Txn& txn,
                                       const std::vector<MetadefNamespace>& usual) const {
  auto known = records::get<image::MetadefCatalogue>(txn, std::string_view("usual"));
  if (!known && known.error().code != ErrorCode::NotFound) return fail(known.error());
  image::MetadefCatalogue mark = known ? *known : image::MetadefCatalogue{};
  const WallTime now = engine.clock.wall();
  for (MetadefNamespace space : usual) {
    if (!mark.loaded.insert(space.name).second) continue;
    // Somebody's own of that name is theirs.
    if (records::find_unique(txn, MetadefNamespace::kKind, "name", "", space.name)) continue;
    space.id = engine.ids.make<MetadefNamespaceId>();
    stamp_all(space, now);
    CLOUDOS_CHECK(know_types(txn, space, now));
    CLOUDOS_CHECK(records::insert(txn, space));
  }
  return known ? records::update(txn, mark) : records::insert(txn, mark);
}

Result<std::unique_ptr<store::Snapshot>> Metadefs::Impl::look() {
  CLOUDOS_CHECK(load());
  return engine.store.snapshot();
}

Result<MetadefNamespace> Metadefs::Impl::visible(const Context& ctx, const store::Snapshot& at,
                                                 std::string_view name) const {
  CLOUDOS_TRY(const auto id, records::find_unique(at, MetadefNamespace::kKind, "name", "", name));
  if (!id) return metadef_not_found(name);
  CLOUDOS_TRY(MetadefNamespace space, records::get<MetadefNamespace>(at, *id));
  if (!may_see_metadef(ctx, space)) return metadef_not_found(name);
  return space;
}

Result<MetadefNamespace> Metadefs::Impl::change(
    const Context& ctx, std::string_view name,
    const std::function<Result<void>(MetadefNamespace&)>& edit) {
  CLOUDOS_CHECK(check_call(ctx, engine.clock));
  CLOUDOS_CHECK(load());
  const WallTime now = engine.clock.wall();
  MetadefNamespace changed;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    const auto id = records::find_unique(txn, MetadefNamespace::kKind, "name", "", name);
    if (!id) return metadef_not_found(name);
    CLOUDOS_TRY(changed, records::get<MetadefNamespace>(txn, std::string_view(*id)));
    if (!may_see_metadef(ctx, changed)) return metadef_not_found(name);
    if (!may_change_metadef(ctx, changed)) {
      return fail(ErrorCode::Forbidden,
                  fmt::format("metadata definition namespace '{}' belongs to another project",
                              changed.name));
    }
    CLOUDOS_CHECK(edit(changed));
    changed.updated_at = now;
    CLOUDOS_CHECK(image::check_metadef(changed));
    CLOUDOS_CHECK(check_metadef_size(changed));
    CLOUDOS_CHECK(know_types(txn, changed, now));
    return records::update(txn, changed);
  }));
  return changed;
}

Result<void> Metadefs::Impl::know_types(store::Txn& txn, const MetadefNamespace& space,
                                        WallTime now) const {
  for (const auto& [type, association] : space.associations) {
    if (txn.get(records::record_key(MetadefResourceType::kKind, type))) continue;
    MetadefResourceType fresh;
    fresh.id = type;
    fresh.created_at = fresh.updated_at = now;
    CLOUDOS_CHECK(records::insert(txn, fresh));
  }
  return Result<void>();
}

Result<MetadefNamespace> Metadefs::create(const Context& ctx, const MetadefNamespace& wish) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(const auto snapshot, impl_->look());
  MetadefNamespace space = wish;
  if (space.owner.empty()) space.owner = ctx.project;
  CLOUDOS_CHECK(check_metadef_owner(ctx, space.owner));
  CLOUDOS_CHECK(image::check_metadef(space));
  CLOUDOS_CHECK(check_metadef_size(space));
  CLOUDOS_TRY(const auto there, records::all<MetadefNamespace>(*snapshot));
  if (there.size() >= limits::kMetadefNamespaces) {
    return fail(ErrorCode::TooLarge, fmt::format("there are {} namespaces, no more are allowed",
                                                 limits::kMetadefNamespaces));
  }
  space.id = impl_->engine.ids.make<MetadefNamespaceId>();
  space.unknown.clear();
  stamp_all(space, impl_->engine.clock.wall());
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(impl_->know_types(txn, space, space.created_at));
    return records::insert(txn, space);
  }));
  return space;
}

Result<MetadefNamespace> Metadefs::get(const Context& ctx, std::string_view name) const {
  CLOUDOS_TRY(const auto snapshot, impl_->look());
  return impl_->visible(ctx, *snapshot, name);
}

Result<std::vector<MetadefNamespace>> Metadefs::list(const Context& ctx,
                                                     const MetadefQuery& query) const {
  CLOUDOS_TRY(const auto snapshot, impl_->look());
  records::PageSpec<MetadefNamespace> spec;
  spec.matches = [&](const MetadefNamespace& space) { return metadef_matches(ctx, query, space); };
  spec.less = [&](const MetadefNamespace& a, const MetadefNamespace& b) {
    return metadef_before(query, a, b);
  };
  spec.limit = query.limit;
  if (!query.marker.empty()) {
    CLOUDOS_TRY(const MetadefNamespace marker, impl_->visible(ctx, *snapshot, query.marker));
    spec.marker = marker.id.value;
  }
  return records::page<MetadefNamespace>(*snapshot, spec);
}

Result<MetadefNamespace> Metadefs::update(const Context& ctx, std::string_view name,
                                          const MetadefNamespaceUpdate& changes) {
  return impl_->change(ctx, name, [&](MetadefNamespace& space) -> Result<void> {
    if (changes.owner && *changes.owner != space.owner) {
      CLOUDOS_CHECK(check_metadef_owner(ctx, *changes.owner));
      space.owner = *changes.owner;
    }
    space.name = changes.name.value_or(space.name);
    space.display_name = changes.display_name.value_or(space.display_name);
    space.description = changes.description.value_or(space.description);
    space.visibility = changes.visibility.value_or(space.visibility);
    space.is_protected = changes.is_protected.value_or(space.is_protected);
    return Result<void>();
  });
}

Result<void> Metadefs::remove(const Context& ctx, std::string_view name) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->load());
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    const auto id = records::find_unique(txn, MetadefNamespace::kKind, "name", "", name);
    if (!id) return metadef_not_found(name);
    CLOUDOS_TRY(const auto space, records::get<MetadefNamespace>(txn, std::string_view(*id)));
    if (!may_see_metadef(ctx, space)) return metadef_not_found(name);
    if (!may_change_metadef(ctx, space)) {
      return fail(ErrorCode::Forbidden,
                  fmt::format("metadata definition namespace '{}' belongs to another project",
                              space.name));
    }
    CLOUDOS_CHECK(check_unprotected(space));
    return records::erase<MetadefNamespace>(txn, space.id);
  }));
  return Result<void>();
}

Result<MetadefProperty> Metadefs::add_property(const Context& ctx, std::string_view space,
                                               const MetadefProperty& property) {
  MetadefProperty item = property;
  const WallTime now = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) {
    return add_item("property", at.properties, item, now);
  }));
  return item;
}

Result<MetadefProperty> Metadefs::set_property(const Context& ctx, std::string_view space,
                                               std::string_view name,
                                               const MetadefProperty& property) {
  MetadefProperty item = property;
  const WallTime now = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) {
    return set_item("property", at.properties, name, item, now);
  }));
  return item;
}

Result<void> Metadefs::remove_property(const Context& ctx, std::string_view space,
                                       std::string_view name) {
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) {
    return remove_item("property", at.properties, name);
  }));
  return Result<void>();
}

Result<void> Metadefs::clear_properties(const Context& ctx, std::string_view space) {
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) -> Result<void> {
    CLOUDOS_CHECK(check_unprotected(at));
    at.properties.clear();
    return Result<void>();
  }));
  return Result<void>();
}

Result<MetadefObject> Metadefs::add_object(const Context& ctx, std::string_view space,
                                           const MetadefObject& object) {
  MetadefObject item = object;
  item.created_at = {};
  const WallTime now = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) {
    return add_item("object", at.objects, item, now);
  }));
  return item;
}

Result<MetadefObject> Metadefs::set_object(const Context& ctx, std::string_view space,
                                           std::string_view name, const MetadefObject& object) {
  MetadefObject item = object;
  const WallTime now = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) {
    return set_item("object", at.objects, name, item, now);
  }));
  return item;
}

Result<void> Metadefs::remove_object(const Context& ctx, std::string_view space,
                                     std::string_view name) {
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) {
    return remove_item("object", at.objects, name);
  }));
  return Result<void>();
}

Result<void> Metadefs::clear_objects(const Context& ctx, std::string_view space) {
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) -> Result<void> {
    CLOUDOS_CHECK(check_unprotected(at));
    at.objects.clear();
    return Result<void>();
  }));
  return Result<void>();
}

Result<MetadefTag> Metadefs::add_tag(const Context& ctx, std::string_view space,
                                     std::string_view name) {
  MetadefTag item;
  item.name = name;
  const WallTime now = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) {
    return add_item("tag", at.tags, item, now);
  }));
  return item;
}

Result<MetadefTag> Metadefs::set_tag(const Context& ctx, std::string_view space,
                                     std::string_view name, std::string_view new_name) {
  MetadefTag item;
  item.name = new_name;
  const WallTime now = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) {
    return set_item("tag", at.tags, name, item, now);
  }));
  return item;
}

Result<std::vector<MetadefTag>> Metadefs::set_tags(const Context& ctx, std::string_view space,
                                                   const std::vector<std::string>& names,
                                                   bool append) {
  const WallTime now = impl_->engine.clock.wall();
  std::vector<MetadefTag> made;
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) -> Result<void> {
    made.clear();
    if (!append) at.tags.clear();
    for (const std::string& name : names) {
      MetadefTag item;
      item.name = name;
      CLOUDOS_CHECK(add_item("tag", at.tags, item, now));
      made.push_back(std::move(item));
    }
    return Result<void>();
  }));
  return made;
}

Result<void> Metadefs::remove_tag(const Context& ctx, std::string_view space,
                                  std::string_view name) {
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) {
    return remove_item("tag", at.tags, name);
  }));
  return Result<void>();
}

Result<void> Metadefs::clear_tags(const Context& ctx, std::string_view space) {
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) -> Result<void> {
    CLOUDOS_CHECK(check_unprotected(at));
    at.tags.clear();
    return Result<void>();
  }));
  return Result<void>();
}

Result<MetadefAssociation> Metadefs::associate(const Context& ctx, std::string_view space,
                                               const MetadefAssociation& association) {
  MetadefAssociation item = association;
  item.created_at = {};
  stamp(item, impl_->engine.clock.wall());
  CLOUDOS_TRY(const auto known, resource_types(ctx));
  const bool is_known = std::any_of(known.begin(), known.end(), [&](const auto& type) {
    return type.id == item.resource_type;
  });
  if (!is_known && known.size() >= limits::kMetadefResourceTypes) {
    return fail(ErrorCode::TooLarge, fmt::format("there are {} resource types, no more are allowed",
                                                 limits::kMetadefResourceTypes));
  }
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) -> Result<void> {
    if (!at.associations.emplace(item.resource_type, item).second)
      return part_exists("resource type", item.resource_type);
    return Result<void>();
  }));
  return item;
}

Result<void> Metadefs::dissociate(const Context& ctx, std::string_view space,
                                  std::string_view resource_type) {
  CLOUDOS_CHECK(impl_->change(ctx, space, [&](MetadefNamespace& at) {
    return remove_item("resource type", at.associations, resource_type);
  }));
  return Result<void>();
}

Result<std::vector<MetadefResourceType>> Metadefs::resource_types(const Context&) const {
  CLOUDOS_TRY(const auto snapshot, impl_->look());
  CLOUDOS_TRY(auto types, records::all<MetadefResourceType>(*snapshot));
  std::sort(types.begin(), types.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return types;
}

}  // namespace cloudos
