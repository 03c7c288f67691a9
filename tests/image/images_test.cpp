#include <doctest/doctest.h>

#include "cloudos/limits.hpp"
#include "image/world.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

const Context kAlice = member_of("alice");
const Context kBob = member_of("bob");
const Context kAdmin = admin_of("admins");

std::string names(const Result<std::vector<Image>>& found) {
  if (!found) return "error: " + found.error().message;
  std::string all;
  for (const Image& image : *found) all += (all.empty() ? "" : " ") + image.name;
  return all;
}
ImageCreate named(std::string name, ImageVisibility visibility = ImageVisibility::Private) {
  ImageCreate spec;
  spec.name = std::move(name);
  spec.visibility = visibility;
  return spec;
}

}  // namespace

TEST_CASE("a new image is queued, shared, its project's, and has no data") {
  World world;
  ImageCreate spec;
  spec.name = "debian";
  spec.properties["os_distro"] = "debian";
  const auto made = world.images->create(kAlice, spec);
  REQUIRE(made);
  CHECK(made->status == ImageStatus::Queued);
  CHECK(made->visibility == ImageVisibility::Shared);
  CHECK(made->owner == kAlice.project);
  CHECK_FALSE(made->size_bytes.has_value());
  CHECK(made->created_at == world.clock.wall());
  const auto read = world.images->get(kAlice, made->id);
  REQUIRE(read);
  CHECK(read->properties.at("os_distro") == "debian");
  CHECK(code_of(world.images->file(kAlice, made->id)) == ErrorCode::Conflict);
}

TEST_CASE("create refuses what is out of its limits or not the caller's to set") {
  struct Row {
    std::string what;
    Context who;
    std::function<void(ImageCreate&)> edit;
    std::optional<ErrorCode> refused;
  };
  const auto properties = [](std::size_t count) {
    return [count](ImageCreate& s) {
      for (std::size_t i = 0; i < count; ++i) s.properties["p" + std::to_string(i)] = "v";
    };
  };
  const auto tags = [](std::size_t count) {
    return [count](ImageCreate& s) {
      for (std::size_t i = 0; i < count; ++i) s.tags.insert("t" + std::to_string(i));
    };
  };
  const auto property = [](std::string name, std::string value = "v") {
    return [=](ImageCreate& s) { s.properties[name] = value; };
  };
  const Row rows[] = {
      {"nothing at all", kAlice, [](ImageCreate&) {}, {}},
      {"longest name", kAlice, [](ImageCreate& s) { s.name = std::string(255, 'n'); }, {}},
      {"name too long", kAlice, [](ImageCreate& s) { s.name = std::string(256, 'n'); },
       ErrorCode::InvalidArgument},
      {"name that is no UTF-8", kAlice, [](ImageCreate& s) { s.name = "\xff"; },
       ErrorCode::InvalidArgument},
      {"public by a member", kAlice,
       [](ImageCreate& s) { s.visibility = ImageVisibility::Public; }, ErrorCode::Forbidden},
      {"public by an admin", kAdmin,
       [](ImageCreate& s) { s.visibility = ImageVisibility::Public; }, {}},
      {"another's image by a member", kAlice, [](ImageCreate& s) { s.owner = kBob.project; },
       ErrorCode::Forbidden},
      {"another's image by an admin", kAdmin, [](ImageCreate& s) { s.owner = kBob.project; }, {}},
      {"an id of one's own", kAlice,
       [](ImageCreate& s) { s.id = ImageId{"AAAAAAAA-1111-2222-3333-444455556666"}; }, {}},
      {"an id that is a path", kAlice, [](ImageCreate& s) { s.id = ImageId{"../../etc/passwd"}; },
       ErrorCode::InvalidArgument},
      {"an id without dashes", kAlice,
       [](ImageCreate& s) { s.id = ImageId{"aaaaaaaa111122223333444455556666"}; },
       ErrorCode::InvalidArgument},
      {"most properties", kAlice, properties(limits::kImageProperties), {}},
      {"too many properties", kAlice, properties(limits::kImageProperties + 1),
       ErrorCode::TooLarge},
      {"most tags", kAlice, tags(limits::kImageTags), {}},
      {"too many tags", kAlice, tags(limits::kImageTags + 1), ErrorCode::TooLarge},
      {"empty tag", kAlice, [](ImageCreate& s) { s.tags = {""}; }, ErrorCode::InvalidArgument},
      {"longest value", kAlice, property("p", std::string(limits::kImagePropertyChars, 'v')), {}},
      {"value too long", kAlice, property("p", std::string(limits::kImagePropertyChars + 1, 'v')),
       ErrorCode::TooLarge},
      {"value that is no UTF-8", kAlice, property("p", "\xc0\x80"), ErrorCode::InvalidArgument},
      {"property without a name", kAlice, property(""), ErrorCode::InvalidArgument},
      {"property named like an attribute", kAlice, property("status"), ErrorCode::Forbidden},
      {"property named like a checksum", kAlice, property("os_hash_value"), ErrorCode::Forbidden},
      {"property of the reserved family", kAlice, property("os_hash_x"), ErrorCode::Forbidden},
      {"property of the importer", kAlice, property("os_glance_importing"), ErrorCode::Forbidden},
      {"location", kAlice, property("location", "file:///etc/passwd"), ErrorCode::Forbidden},
      {"min_disk too large", kAlice, [](ImageCreate& s) { s.min_disk_gib = 1u << 31; },
       ErrorCode::InvalidArgument},
      {"min_ram too large", kAlice, [](ImageCreate& s) { s.min_ram_mib = 1u << 31; },
       ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    ImageCreate spec;
    row.edit(spec);
    const auto made = world.images->create(row.who, spec);
    CHECK(made.has_value() == !row.refused.has_value());
    if (!made && row.refused) CHECK(made.error().code == *row.refused);
    if (!made) CHECK(world.keys_left() == 0);
  }
}

TEST_CASE("an id of the caller's own is kept in lower case and cannot be taken twice") {
  World world;
  ImageCreate spec;
  spec.id = ImageId{"AAAAAAAA-1111-2222-3333-444455556666"};
  const auto made = world.images->create(kAlice, spec);
  REQUIRE(made);
  CHECK(made->id.value == "aaaaaaaa-1111-2222-3333-444455556666");
  CHECK(code_of(world.images->create(kBob, spec)) == ErrorCode::AlreadyExists);
}

TEST_CASE("who sees, lists, changes and deletes an image follows from its visibility") {
  struct Row {
    std::string what;
    ImageVisibility visibility;
    Context who;
    bool sees, lists, changes;
  };
  const Row rows[] = {
      {"private, owner", ImageVisibility::Private, kAlice, true, true, true},
      {"private, stranger", ImageVisibility::Private, kBob, false, false, false},
      {"private, admin", ImageVisibility::Private, kAdmin, true, true, true},
      {"shared, stranger", ImageVisibility::Shared, kBob, false, false, false},
      {"community, stranger", ImageVisibility::Community, kBob, true, false, false},
      {"community, admin", ImageVisibility::Community, kAdmin, true, false, true},
      {"public, stranger", ImageVisibility::Public, kBob, true, true, false},
      {"public, owner", ImageVisibility::Public, kAlice, true, true, true},
      {"nobody's project", ImageVisibility::Private, Context{}, false, false, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    ImageCreate spec = named("x", row.visibility);
    spec.owner = kAlice.project;
    const ImageId id = world.make(kAdmin, spec);
    const auto refused = row.sees ? ErrorCode::Forbidden : ErrorCode::NotFound;
    CHECK(world.images->get(row.who, id).has_value() == row.sees);
    CHECK(names(world.images->list(row.who, {})) == (row.lists ? "x" : ""));
    ImageUpdate update;
    update.name = "y";
    const auto updated = world.images->update(row.who, id, update);
    const auto tagged = world.images->add_tag(row.who, id, "t");
    const auto removed = world.images->remove(row.who, id);
    CHECK(updated.has_value() == row.changes);
    CHECK(tagged.has_value() == row.changes);
    CHECK(removed.has_value() == row.changes);
    if (!row.changes) {
      CHECK(updated.error().code == refused);
      CHECK(tagged.error().code == refused);
      CHECK(removed.error().code == refused);
      CHECK(code_of(world.upload(row.who, id, "x")) == refused);
    }
  }
}

TEST_CASE("an image of the system belongs to no project, not even to callers without one") {
  World world;
  ImageCreate spec = named("x");
  const ImageId id = world.make(Context::system(), spec);
  CHECK(code_of(world.images->get(Context{}, id)) == ErrorCode::NotFound);
  CHECK(code_of(world.images->remove(Context{}, id)) == ErrorCode::NotFound);
}

TEST_CASE("updates apply all changes or none") {
  World world;
  const ImageId id = world.make(kAlice, named("old"));
  ImageUpdate update;
  update.name = "new";
  update.min_disk_gib = 3;
  update.tags = std::set<std::string>{"a"};
  using Kind = ImagePropertyChange::Kind;
  update.properties = {{Kind::Add, "p", "1"}, {Kind::Replace, "p", "2"}, {Kind::Add, "q", "3"},
                       {Kind::Remove, "q", ""}};
  const auto changed = world.images->update(kAlice, id, update);
  REQUIRE(changed);
  CHECK(changed->name == "new");
  CHECK(changed->properties == std::map<std::string, std::string>{{"p", "2"}});
  CHECK(changed->updated_at > changed->created_at);

  struct Row {
    std::string what;
    std::function<void(ImageUpdate&)> edit;
    ErrorCode refused;
  };
  const Row rows[] = {
      {"replace what is not there",
       [](ImageUpdate& u) { u.properties = {{Kind::Replace, "none", "1"}}; }, ErrorCode::Conflict},
      {"remove what is not there",
       [](ImageUpdate& u) { u.properties = {{Kind::Remove, "none", ""}}; }, ErrorCode::Conflict},
      {"set a checksum", [](ImageUpdate& u) { u.properties = {{Kind::Add, "checksum", "0"}}; },
       ErrorCode::Forbidden},
      {"become public", [](ImageUpdate& u) { u.visibility = ImageVisibility::Public; },
       ErrorCode::Forbidden},
      {"give away", [](ImageUpdate& u) { u.owner = kBob.project; }, ErrorCode::Forbidden},
      {"bad tag", [](ImageUpdate& u) { u.tags = std::set<std::string>{""}; },
       ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    ImageUpdate bad;
    bad.name = "half";
    row.edit(bad);
    CHECK(code_of(world.images->update(kAlice, id, bad)) == row.refused);
    CHECK(world.images->get(kAlice, id)->name == "new");
  }
  ImageUpdate give;
  give.owner = kBob.project;
  REQUIRE(world.images->update(kAdmin, id, give));
  CHECK(code_of(world.images->get(kAlice, id)) == ErrorCode::NotFound);
}

TEST_CASE("formats change only while an image has no data") {
  World world;
  const ImageId id = world.make(kAlice);
  ImageUpdate update;
  update.disk_format = DiskFormat::Iso;
  REQUIRE(world.images->update(kAlice, id, update));
  update.disk_format = DiskFormat::Raw;
  REQUIRE(world.images->update(kAlice, id, update));
  REQUIRE(world.upload(kAlice, id, "data"));
  REQUIRE(world.images->update(kAlice, id, update));  // As it is: no change.
  update.disk_format = DiskFormat::Qcow2;
  CHECK(code_of(world.images->update(kAlice, id, update)) == ErrorCode::Forbidden);
  ImageUpdate container;
  container.container_format = ContainerFormat::Ova;
  CHECK(code_of(world.images->update(kAlice, id, container)) == ErrorCode::Forbidden);
}

TEST_CASE("tags are added once, removed once, and counted") {
  World world;
  const ImageId id = world.make(kAlice);
  for (std::size_t i = 0; i < limits::kImageTags; ++i)
    REQUIRE(world.images->add_tag(kAlice, id, std::to_string(i)));
  CHECK(world.images->add_tag(kAlice, id, "0"));
  CHECK(code_of(world.images->add_tag(kAlice, id, "one more")) == ErrorCode::TooLarge);
  CHECK(world.images->remove_tag(kAlice, id, "0"));
  CHECK(code_of(world.images->remove_tag(kAlice, id, "0")) == ErrorCode::NotFound);
  CHECK(code_of(world.images->add_tag(kAlice, id, std::string(256, 't'))) ==
        ErrorCode::InvalidArgument);
}

TEST_CASE("a protected image is not deleted before it is unprotected, not even by admins") {
  World world;
  ImageCreate spec = named("x");
  spec.is_protected = true;
  const ImageId id = world.make(kAlice, spec);
  CHECK(code_of(world.images->remove(kAlice, id)) == ErrorCode::Forbidden);
  CHECK(code_of(world.images->remove(kAdmin, id)) == ErrorCode::Forbidden);
  ImageUpdate update;
  update.is_protected = false;
  REQUIRE(world.images->update(kAlice, id, update));
  CHECK(world.images->remove(kAlice, id));
  CHECK(world.keys_left() == 0);
}

TEST_CASE("lists are filtered by every attribute") {
  World world;
  const WallTime start = world.clock.wall();
  ImageCreate a = named("a");
  a.tags = {"red", "old"};
  a.properties["os_distro"] = "debian";
  const ImageId first = world.active(kAlice, "12345", a);
  ImageCreate b = named("b", ImageVisibility::Community);
  b.disk_format = DiskFormat::Iso;
  b.tags = {"red"};
  b.is_protected = true;
  world.make(kAlice, b);
  ImageCreate c = named("c", ImageVisibility::Shared);
  c.container_format = ContainerFormat::Ova;
  world.make(kAlice, c);
  ImageCreate hidden = named("hidden");
  hidden.is_hidden = true;
  world.make(kAlice, hidden);
  world.make(kBob, named("foreign"));

  struct Row {
    std::string what;
    std::function<void(ImageQuery&)> edit;
    const char* found;
  };
  using Op = ImageTimeBound::Op;
  const Row rows[] = {
      {"everything, newest first", [](ImageQuery&) {}, "c b a"},
      {"name", [](ImageQuery& q) { q.names = {"a"}; }, "a"},
      {"one of the names", [](ImageQuery& q) { q.names = {"a", "c"}; }, "c a"},
      {"id", [&](ImageQuery& q) { q.ids = {first}; }, "a"},
      {"status", [](ImageQuery& q) { q.statuses = {ImageStatus::Active}; }, "a"},
      {"visibility", [](ImageQuery& q) { q.visibility = ImageVisibility::Community; }, "b"},
      {"own shared", [](ImageQuery& q) { q.visibility = ImageVisibility::Shared; }, "c"},
      {"owner", [](ImageQuery& q) { q.owner = kAlice.project; }, "c b a"},
      {"foreign owner", [](ImageQuery& q) { q.owner = kBob.project; }, ""},
      {"disk format", [](ImageQuery& q) { q.disk_formats = {DiskFormat::Iso}; }, "b"},
      {"container format",
       [](ImageQuery& q) { q.container_formats = {ContainerFormat::Ova}; }, "c"},
      {"tag", [](ImageQuery& q) { q.tags = {"red"}; }, "b a"},
      {"all tags", [](ImageQuery& q) { q.tags = {"red", "old"}; }, "a"},
      {"smallest size", [](ImageQuery& q) { q.size_min = 5; }, "a"},
      {"smallest size too large", [](ImageQuery& q) { q.size_min = 6; }, ""},
      {"largest size", [](ImageQuery& q) { q.size_max = 5; }, "a"},
      {"largest size too small", [](ImageQuery& q) { q.size_max = 4; }, ""},
      {"property", [](ImageQuery& q) { q.properties = {{"os_distro", "debian"}}; }, "a"},
      {"another value", [](ImageQuery& q) { q.properties = {{"os_distro", "arch"}}; }, ""},
      {"protected", [](ImageQuery& q) { q.is_protected = true; }, "b"},
      {"unprotected", [](ImageQuery& q) { q.is_protected = false; }, "c a"},
      {"hidden", [](ImageQuery& q) { q.is_hidden = true; }, "hidden"},
      {"created after", [&](ImageQuery& q) { q.created = {{Op::Gt, start}}; }, "c b"},
      {"created then or after", [&](ImageQuery& q) { q.created = {{Op::Gte, start}}; }, "c b a"},
      {"created before", [&](ImageQuery& q) { q.created = {{Op::Lt, start}}; }, ""},
      {"created then or before", [&](ImageQuery& q) { q.created = {{Op::Lte, start}}; }, "a"},
      {"created within the second",
       [&](ImageQuery& q) { q.created = {{Op::Eq, start + std::chrono::milliseconds(900)}}; }, "a"},
      {"not created then", [&](ImageQuery& q) { q.created = {{Op::Neq, start}}; }, "c b"},
      {"changed after", [&](ImageQuery& q) { q.updated = {{Op::Gt, start}}; }, "c b a"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    ImageQuery query;
    row.edit(query);
    CHECK(names(world.images->list(kAlice, query)) == row.found);
  }
  ImageQuery all;
  all.all_visibilities = true;
  CHECK(names(world.images->list(kBob, all)) == "foreign b");
  ImageQuery many;
  many.names.resize(limits::kImageQueryValues + 1);
  CHECK(code_of(world.images->list(kAlice, many)) == ErrorCode::TooLarge);
}

TEST_CASE("lists are sorted by several keys and paged by marker") {
  World world;
  for (const char* name : {"b", "a", "c", "a"}) world.make(kAlice, named(name));
  ImageQuery query;
  query.sort = {{ImageSortKey::Name, false}, {ImageSortKey::CreatedAt, true}};
  const auto all = world.images->list(kAlice, query);
  CHECK(names(all) == "a a b c");
  CHECK((*all)[0].created_at > (*all)[1].created_at);
  for (const bool sorted : {true, false}) {
    CAPTURE(sorted);
    ImageQuery page;
    if (sorted) page.sort = query.sort;
    page.limit = 3;
    const auto first = world.images->list(kAlice, page);
    CHECK(names(first) == (sorted ? "a a b" : "a c a"));
    page.marker = first->back().id.value;
    CHECK(names(world.images->list(kAlice, page)) == (sorted ? "c" : "b"));
  }
  ImageQuery foreign;
  foreign.marker = world.make(kBob, named("x")).value;
  CHECK(code_of(world.images->list(kAlice, foreign)) == ErrorCode::InvalidArgument);
}

TEST_CASE("a shared image shows in a member's list once it accepted, and only then") {
  World world;
  const ImageId id = world.make(kAlice, named("x", ImageVisibility::Shared));
  CHECK(code_of(world.images->add_member(kBob, id, kBob.project)) == ErrorCode::NotFound);
  REQUIRE(world.images->add_member(kAlice, id, kBob.project));
  CHECK(code_of(world.images->add_member(kAlice, id, kBob.project)) == ErrorCode::AlreadyExists);

  CHECK(world.images->get(kBob, id));
  CHECK(names(world.images->list(kBob, {})) == "");
  ImageQuery pending;
  pending.member_status = MemberStatus::Pending;
  CHECK(names(world.images->list(kBob, pending)) == "x");

  // The owner cannot fill another's list; a stranger hears nothing.
  CHECK(code_of(world.images->set_member_status(kAlice, id, kBob.project,
                                                MemberStatus::Accepted)) == ErrorCode::Forbidden);
  CHECK(code_of(world.images->set_member_status(member_of("eve"), id, kBob.project,
                                                MemberStatus::Accepted)) == ErrorCode::NotFound);
  REQUIRE(world.images->set_member_status(kBob, id, kBob.project, MemberStatus::Accepted));
  CHECK(names(world.images->list(kBob, {})) == "x");
  CHECK(world.images->members(kAlice, id)->size() == 1);
  CHECK(world.images->members(kBob, id)->size() == 1);
  CHECK(code_of(world.images->add_member(kBob, id, ProjectId{"eve"})) == ErrorCode::Forbidden);

  REQUIRE(world.images->set_member_status(kBob, id, kBob.project, MemberStatus::Rejected));
  CHECK(names(world.images->list(kBob, {})) == "");
  REQUIRE(world.images->remove_member(kAlice, id, kBob.project));
  CHECK(code_of(world.images->remove_member(kAlice, id, kBob.project)) == ErrorCode::NotFound);
  CHECK(code_of(world.images->get(kBob, id)) == ErrorCode::NotFound);
}

TEST_CASE("only shared images have members, and a limited number") {
  World world;
  const ImageId priv = world.make(kAlice, named("p"));
  CHECK(code_of(world.images->add_member(kAlice, priv, kBob.project)) == ErrorCode::Forbidden);
  const ImageId id = world.make(kAlice, named("x", ImageVisibility::Shared));
  for (std::size_t i = 0; i < limits::kImageMembers; ++i)
    REQUIRE(world.images->add_member(kAlice, id, ProjectId{std::to_string(i)}));
  CHECK(code_of(world.images->add_member(kAlice, id, ProjectId{"more"})) == ErrorCode::TooLarge);
}

TEST_CASE("the data of a deactivated image is for admins only, and no server boots from it") {
  World world;
  const ImageId queued = world.make(kAlice);
  CHECK(code_of(world.images->deactivate(kAdmin, queued)) == ErrorCode::Forbidden);
  const ImageId id = world.active(kAlice, "data");
  CHECK(code_of(world.images->deactivate(kBob, id)) == ErrorCode::NotFound);
  REQUIRE(world.images->deactivate(kAlice, id));
  REQUIRE(world.images->deactivate(kAdmin, id));
  CHECK(code_of(world.images->file(kAlice, id)) == ErrorCode::Forbidden);
  CHECK(world.images->file(kAdmin, id));
  CHECK(code_of(world.with([&](store::Txn& txn) { return world.images->pin(txn, id, "s"); })) ==
        ErrorCode::Conflict);
  REQUIRE(world.images->reactivate(kAdmin, id));
  CHECK(world.images->file(kAlice, id));
}
