#include <set>

#include "cloudos/metadefs.hpp"
#include "image/metadefs/metadefs_room.hpp"
#include "image/world.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

const Context kOps = admin_of("ops");
const Context kAda = member_of("ada");
const Context kBen = member_of("ben");

MetadefNamespace space_named(std::string name) {
  MetadefNamespace space;
  space.name = std::move(name);
  return space;
}
MetadefProperty property_named(std::string name) {
  MetadefProperty property;
  property.name = std::move(name);
  property.title = "Title";
  property.type = "string";
  return property;
}
std::string space_names(const Result<std::vector<MetadefNamespace>>& spaces) {
  REQUIRE(spaces);
  std::string all;
  for (const auto& space : *spaces) all += (all.empty() ? "" : " ") + space.name;
  return all;
}
/// Those that are not of the catalogue.
std::string own_names(Metadefs& metadefs, const Context& ctx, MetadefQuery query = {}) {
  const auto spaces = metadefs.list(ctx, query);
  REQUIRE(spaces);
  std::string all;
  for (const auto& space : *spaces)
    if (space.name.find("::") == std::string::npos) all += (all.empty() ? "" : " ") + space.name;
  return all;
}

}  // namespace

TEST_CASE("metadefs: the usual catalogue is sound, and there for everyone") {
  const auto usual = image::usual_metadefs();
  CHECK(usual.size() >= 25);
  std::set<std::string> names;
  for (const MetadefNamespace& space : usual) {
    CAPTURE(space.name);
    CHECK(names.insert(space.name).second);
    const auto good = image::check_metadef(space);
    CHECK(good);
    CHECK_FALSE(space.description.empty());
    CHECK_FALSE(space.associations.empty());
    CHECK_FALSE((space.properties.empty() && space.objects.empty()));
  }
  for (const char* known :
       {"OS::Compute::VirtCPUTopology", "OS::Compute::Libvirt", "OS::Compute::LibvirtImage",
        "OS::Compute::Quota", "OS::Compute::CPUPinning", "OS::Compute::HostCapabilities",
        "OS::Compute::Watchdog", "OS::Compute::RandomNumberGenerator", "OS::OperatingSystem",
        "OS::Software::DBMS", "OS::Software::Runtimes", "OS::Software::WebServers",
        "CIM::ProcessorAllocationSettingData"})
    CHECK(names.count(known) == 1);

  World world;
  const auto listed = world.images->metadefs().list(kAda, {});
  REQUIRE(listed);
  CHECK(listed->size() == usual.size());
  const auto types = world.images->metadefs().resource_types(kAda);
  REQUIRE(types);
  CHECK(types->size() >= 6);
}

TEST_CASE("metadefs: what is removed or changed of the catalogue stays so") {
  World world;
  {
    auto& metadefs = world.images->metadefs();
    CHECK(code_of(metadefs.remove(kOps, "OS::OperatingSystem")) == ErrorCode::Forbidden);
    MetadefNamespaceUpdate open;
    open.is_protected = false;
    REQUIRE(metadefs.update(kOps, "OS::OperatingSystem", open));
    REQUIRE(metadefs.remove(kOps, "OS::OperatingSystem"));
    MetadefNamespaceUpdate rename;
    rename.name = "Ours";
    REQUIRE(metadefs.update(kOps, "OS::Compute::Watchdog", rename));
  }
  World again({}, world.store);
  auto& metadefs = again.images->metadefs();
  CHECK(code_of(metadefs.get(kOps, "OS::OperatingSystem")) == ErrorCode::NotFound);
  CHECK(code_of(metadefs.get(kOps, "OS::Compute::Watchdog")) == ErrorCode::NotFound);
  CHECK(metadefs.get(kOps, "Ours"));
}

TEST_CASE("metadefs: a namespace is its project's unless it is public") {
  World world;
  auto& metadefs = world.images->metadefs();
  REQUIRE(metadefs.create(kAda, space_named("mine")));
  MetadefNamespace open = space_named("open");
  open.visibility = MetadefVisibility::Public;
  REQUIRE(metadefs.create(kAda, open));
  CHECK(metadefs.get(kAda, "mine")->owner == kAda.project);
  CHECK(own_names(metadefs, kBen) == "open");
  CHECK(own_names(metadefs, kOps) == "mine open");
  CHECK(code_of(metadefs.get(kBen, "mine")) == ErrorCode::NotFound);
  CHECK(code_of(metadefs.remove(kBen, "mine")) == ErrorCode::NotFound);
  CHECK(code_of(metadefs.remove(kBen, "open")) == ErrorCode::Forbidden);
  CHECK(code_of(metadefs.add_tag(kBen, "mine", "t")) == ErrorCode::NotFound);
  CHECK(code_of(metadefs.add_tag(kBen, "open", "t")) == ErrorCode::Forbidden);
  MetadefNamespace foreign = space_named("foreign");
  foreign.owner = kBen.project;
  CHECK(code_of(metadefs.create(kAda, foreign)) == ErrorCode::Forbidden);
  CHECK(metadefs.create(kOps, foreign));
  CHECK(code_of(metadefs.create(kBen, space_named("mine"))) == ErrorCode::AlreadyExists);
  MetadefNamespaceUpdate given;
  given.owner = kBen.project;
  CHECK(code_of(metadefs.update(kAda, "mine", given)) == ErrorCode::Forbidden);
  CHECK(metadefs.update(kOps, "mine", given));
  CHECK(code_of(metadefs.get(kAda, "mine")) == ErrorCode::NotFound);
}

TEST_CASE("metadefs: a namespace is renamed with all that is in it, but not over another") {
  World world;
  auto& metadefs = world.images->metadefs();
  REQUIRE(metadefs.create(kAda, space_named("one")));
  REQUIRE(metadefs.create(kAda, space_named("two")));
  REQUIRE(metadefs.add_property(kAda, "one", property_named("p")));
  MetadefNamespaceUpdate rename;
  rename.name = "two";
  CHECK(code_of(metadefs.update(kAda, "one", rename)) == ErrorCode::AlreadyExists);
  rename.name = "three";
  REQUIRE(metadefs.update(kAda, "one", rename));
  CHECK(code_of(metadefs.get(kAda, "one")) == ErrorCode::NotFound);
  CHECK(metadefs.get(kAda, "three")->properties.count("p") == 1);
  REQUIRE(metadefs.create(kAda, space_named("one")));
}

TEST_CASE("metadefs: parts are added, renamed and removed by name") {
  World world;
  auto& metadefs = world.images->metadefs();
  REQUIRE(metadefs.create(kAda, space_named("s")));
  REQUIRE(metadefs.add_property(kAda, "s", property_named("a")));
  REQUIRE(metadefs.add_property(kAda, "s", property_named("b")));
  CHECK(code_of(metadefs.add_property(kAda, "s", property_named("a"))) ==
        ErrorCode::AlreadyExists);
  CHECK(code_of(metadefs.set_property(kAda, "s", "a", property_named("b"))) ==
        ErrorCode::AlreadyExists);
  REQUIRE(metadefs.set_property(kAda, "s", "a", property_named("c")));
  CHECK(code_of(metadefs.set_property(kAda, "s", "a", property_named("a"))) ==
        ErrorCode::NotFound);
  CHECK(code_of(metadefs.remove_property(kAda, "s", "a")) == ErrorCode::NotFound);
  REQUIRE(metadefs.remove_property(kAda, "s", "b"));

  MetadefObject object;
  object.name = "o";
  object.required = {"p"};
  object.properties.emplace("p", property_named("p"));
  const auto made = metadefs.add_object(kAda, "s", object);
  REQUIRE(made);
  world.clock.advance(std::chrono::seconds(5));
  object.name = "o2";
  const auto renamed = metadefs.set_object(kAda, "s", "o", object);
  REQUIRE(renamed);
  CHECK(renamed->created_at == made->created_at);
  CHECK(renamed->updated_at > made->updated_at);
  CHECK(metadefs.get(kAda, "s")->updated_at == renamed->updated_at);
  CHECK(code_of(metadefs.remove_object(kAda, "s", "o")) == ErrorCode::NotFound);

  REQUIRE(metadefs.set_tags(kAda, "s", {"x", "y"}, false));
  REQUIRE(metadefs.set_tags(kAda, "s", {"z"}, true));
  CHECK(metadefs.get(kAda, "s")->tags.size() == 3);
  CHECK(code_of(metadefs.set_tags(kAda, "s", {"z"}, true)) == ErrorCode::AlreadyExists);
  CHECK(code_of(metadefs.set_tags(kAda, "s", {"q", "q"}, false)) == ErrorCode::AlreadyExists);
  REQUIRE(metadefs.set_tag(kAda, "s", "x", "w"));
  REQUIRE(metadefs.remove_tag(kAda, "s", "y"));
  REQUIRE(metadefs.set_tags(kAda, "s", {"only"}, false));
  CHECK(metadefs.get(kAda, "s")->tags.size() == 1);

  MetadefAssociation type;
  type.resource_type = "My::Thing";
  REQUIRE(metadefs.associate(kAda, "s", type));
  CHECK(code_of(metadefs.associate(kAda, "s", type)) == ErrorCode::AlreadyExists);
  REQUIRE(metadefs.dissociate(kAda, "s", "My::Thing"));
  CHECK(code_of(metadefs.dissociate(kAda, "s", "My::Thing")) == ErrorCode::NotFound);
  const auto types = metadefs.resource_types(kAda);
  REQUIRE(types);
  CHECK(std::any_of(types->begin(), types->end(),
                    [](const auto& known) { return known.id == "My::Thing"; }));
}

TEST_CASE("metadefs: a protected namespace keeps itself and all of its parts") {
  World world;
  auto& metadefs = world.images->metadefs();
  MetadefNamespace space = space_named("s");
  space.is_protected = true;
  space.tags.emplace("t", MetadefTag{"t", {}, {}});
  REQUIRE(metadefs.create(kAda, space));
  CHECK(code_of(metadefs.remove(kAda, "s")) == ErrorCode::Forbidden);
  CHECK(code_of(metadefs.clear_tags(kAda, "s")) == ErrorCode::Forbidden);
  CHECK(code_of(metadefs.clear_objects(kAda, "s")) == ErrorCode::Forbidden);
  CHECK(code_of(metadefs.clear_properties(kAda, "s")) == ErrorCode::Forbidden);
  MetadefNamespaceUpdate open;
  open.is_protected = false;
  REQUIRE(metadefs.update(kAda, "s", open));
  CHECK(metadefs.clear_tags(kAda, "s"));
  CHECK(metadefs.remove(kAda, "s"));
}

TEST_CASE("metadefs: names, types, schemas and sizes are checked") {
  struct Row {
    std::string what;
    std::function<void(MetadefNamespace&)> spoil;
    ErrorCode code;
  };
  const auto add = [](MetadefNamespace& space, MetadefProperty property) {
    space.properties.emplace(property.name, property);
  };
  const Row rows[] = {
      {"no name", [](auto& s) { s.name.clear(); }, ErrorCode::InvalidArgument},
      {"a long name", [](auto& s) { s.name.assign(limits::kMetadefNameChars + 1, 'a'); },
       ErrorCode::InvalidArgument},
      {"a long description",
       [](auto& s) { s.description.assign(limits::kMetadefTextChars + 1, 'a'); },
       ErrorCode::InvalidArgument},
      {"an unknown type",
       [&](auto& s) {
         auto p = property_named("p");
         p.type = "date";
         add(s, p);
       },
       ErrorCode::InvalidArgument},
      {"a schema that is no JSON",
       [&](auto& s) {
         auto p = property_named("p");
         p.schema = "{\"enum\": [1,}";
         add(s, p);
       },
       ErrorCode::InvalidArgument},
      {"a schema that is no object",
       [&](auto& s) {
         auto p = property_named("p");
         p.schema = "[]";
         add(s, p);
       },
       ErrorCode::InvalidArgument},
      {"a large schema",
       [&](auto& s) {
         auto p = property_named("p");
         p.schema = "{\"x\":\"" + std::string(limits::kMetadefBytes, 'a') + "\"}";
         add(s, p);
       },
       ErrorCode::TooLarge},
      {"many small ones",
       [&](auto& s) {
         for (std::size_t i = 0; i <= limits::kMetadefItems; ++i)
           add(s, property_named("p" + std::to_string(i)));
       },
       ErrorCode::TooLarge},
      {"large together",
       [&](auto& s) {
         for (int i = 0; i < 10; ++i) {
           auto p = property_named("p" + std::to_string(i));
           p.schema = "{\"x\":\"" + std::string(limits::kMetadefBytes / 8, 'a') + "\"}";
           add(s, p);
         }
       },
       ErrorCode::TooLarge},
      {"kept under another name",
       [](auto& s) { s.tags.emplace("a", MetadefTag{"b", {}, {}}); }, ErrorCode::InvalidArgument},
  };
  World world;
  for (const Row& row : rows) {
    CAPTURE(row.what);
    MetadefNamespace space = space_named("s");
    row.spoil(space);
    CHECK(code_of(world.images->metadefs().create(kAda, space)) == row.code);
  }
  for (const char* good :
       {"{}", " {\"a\": [1, -2.5e3, true, null, \"\\u00e9\\n\"]} ", "{\"a\":{}}"})
    CHECK(image::is_json_object(good));
  for (const char* bad : {"", "{", "{}x", "{a:1}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":\"\n\"}",
                          "{\"a\":\"\\x\"}", "{\"a\":1,}", "{\"a\" 1}", "nul", "\xff"})
    CHECK_FALSE(image::is_json_object(bad));
  CHECK_FALSE(image::is_json_object("{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}"));
}

TEST_CASE("metadefs: lists are filtered, sorted and paged") {
  World world;
  auto& metadefs = world.images->metadefs();
  for (const char* name : {"b", "a", "c"}) {
    MetadefNamespace space = space_named(name);
    if (*name != 'c') space.visibility = MetadefVisibility::Public;
    MetadefAssociation type;
    type.resource_type = *name == 'a' ? "T::A" : "T::B";
    space.associations.emplace(type.resource_type, type);
    REQUIRE(metadefs.create(kAda, space));
    world.clock.advance(std::chrono::seconds(1));
  }
  CHECK(own_names(metadefs, kAda) == "c a b");
  MetadefQuery query;
  query.sort = MetadefSortKey::Name;
  query.descending = false;
  query.resource_types = {"T::A", "T::B"};
  CHECK(space_names(metadefs.list(kAda, query)) == "a b c");
  query.limit = 2;
  CHECK(space_names(metadefs.list(kAda, query)) == "a b");
  query.marker = "b";
  CHECK(space_names(metadefs.list(kAda, query)) == "c");
  query.marker = "none";
  CHECK(code_of(metadefs.list(kAda, query)) == ErrorCode::NotFound);
  query.marker.clear();
  query.visibility = MetadefVisibility::Private;
  CHECK(space_names(metadefs.list(kAda, query)) == "c");
  query.visibility.reset();
  query.resource_types = {"T::A"};
  CHECK(space_names(metadefs.list(kAda, query)) == "a");
}
