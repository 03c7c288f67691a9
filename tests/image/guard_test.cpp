#include <fstream>

#include "image/world.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

const Context kAnna = member_of("anna");
const Context kRoot = [] {
  Context ctx = admin_of("root");
  ctx.user = UserId{"root"};  // An admin, but not the program itself.
  return ctx;
}();

constexpr const char* kRules = R"(
# Billing belongs to those who bill.
[^x_billing_.*]
create = admin, Billing
read = admin,billing
update = admin
delete = !

[^x_none_.*]
create = !
read = !
update = !
delete = !

[^x_show_.*]
create = admin
read = @
update = admin
delete = admin

[.*]
create = @
read = @
update = @
delete = @
)";

std::string written(const Folder& folder, std::string_view text) {
  const auto path = folder.path / "rules.conf";
  std::ofstream(path) << text;
  return path.string();
}

ImageSettings protected_by(const Folder& folder, std::string_view text,
                           PropertyRuleFormat format = PropertyRuleFormat::Roles) {
  ImageSettings settings;
  settings.rules.property_protection_file = written(folder, text);
  settings.rules.property_rule_format = format;
  return settings;
}

Context with_role(const Context& ctx, std::string role) {
  Context other = ctx;
  other.roles.push_back(std::move(role));
  return other;
}

Result<Image> change_one(World& world, const Context& ctx, const ImageId& id,
                         ImagePropertyChange::Kind kind, std::string name) {
  ImageUpdate update;
  update.properties.push_back({kind, std::move(name), "new"});
  return world.images->update(ctx, id, update);
}

}  // namespace

TEST_CASE("guard: a file of property protections is read as Glance reads it, or refused") {
  struct Row {
    std::string what, text, says;
  };
  const std::string rest = "\ncreate = @\nread = @\nupdate = @\ndelete = @\n";
  const Row rows[] = {
      {"whole", "[.*]" + rest, ""},
      {"digits", "[^x_\\d+$]" + rest, ""},
      {"a group that is not kept, and reluctance", "[^(?:a|b)_.*?$]" + rest, ""},
      {"colons and comments", "; old\n[a]\ncreate: @\nread: @\nupdate: !\ndelete: admin\n", ""},
      {"nothing", "", "no section"},
      {"a key before any section", "create = @\n", "line 1"},
      {"an unknown key", "[a]\nwrite = @\n", "unknown key 'write'"},
      {"a key twice", "[a]\ncreate = @\ncreate = !\n", "line 3"},
      {"a key is missing", "[a]\ncreate = @\nread = @\nupdate = @\n", "says nothing of 'delete'"},
      {"no value", "[a]\ncreate =\n", "no value"},
      {"everybody and somebody", "[a]\ncreate = @, admin\n", "'@' goes alone"},
      {"everybody and nobody", "[a]\ncreate = @, !\n", "goes alone"},
      {"no expression", "[(a]" + rest, "is no expression"},
      {"a section twice", "[a]" + rest + "[a]" + rest, "there already"},
      {"a back-reference", "[(a)\\1]" + rest, "back-references"},
      {"counts that multiply", "[((a{200}){200}){200}]" + rest, "too large together"},
      {"an open count", "[a{3]" + rest, "not understood"},
      {"look-ahead", "[(?=a)]" + rest, "not understood"},
      {"not a section's end", "[a\n" + rest, "'[' and ']'"},
      {"no key", "[a]\nhello\n", "key = value"},
      {"not text", "[a]\xff\n", "UTF-8"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto parsed = PropertyProtections::parse(row.text, PropertyRuleFormat::Roles);
    CHECK(parsed.has_value() == row.says.empty());
    if (parsed) continue;
    CAPTURE(parsed.error().message);
    CHECK(parsed.error().code == ErrorCode::InvalidArgument);
    CHECK(parsed.error().message.find(row.says) != std::string::npos);
  }
  const std::string long_name(limits::kPropertyRuleChars + 1, 'a');
  CHECK_FALSE(PropertyProtections::parse("[" + long_name + "]" + rest, PropertyRuleFormat::Roles));
  std::string many;
  for (std::size_t i = 0; i <= limits::kPropertyRules; ++i)
    many += "[a" + std::to_string(i) + "]" + rest;
  CHECK_FALSE(PropertyProtections::parse(many, PropertyRuleFormat::Roles));
}

TEST_CASE("guard: an expression that backtracks elsewhere takes no time here") {
  const auto rules = PropertyProtections::parse(
      "[^(a+)+$]\ncreate = @\nread = @\nupdate = @\ndelete = @\n", PropertyRuleFormat::Roles);
  REQUIRE(rules);
  const std::string name = std::string(250, 'a') + "!";
  CHECK(rules->allowed(PropertyAction::Read, name).front() == "!");
  CHECK(rules->allowed(PropertyAction::Read, std::string(255, 'a')).front() == "@");
}

TEST_CASE("guard: the first expression that fits decides who may do what with a property") {
  Folder folder;
  World world({}, nullptr, protected_by(folder, kRules));
  const Context biller = with_role(kAnna, "billing");
  using Kind = ImagePropertyChange::Kind;
  enum class Act { Create, Add, Replace, Remove };
  struct Row {
    std::string what;
    const Context* who;
    Act act;
    const char* property;
    bool allowed;
  };
  const Row rows[] = {
      {"everybody makes free ones", &kAnna, Act::Create, "free", true},
      {"a member makes no bill", &kAnna, Act::Create, "x_billing_code", false},
      {"a role in any case does", &biller, Act::Create, "x_billing_code", true},
      {"an admin does by its role", &kRoot, Act::Create, "x_billing_code", true},
      {"nobody is nobody, admins too", &kRoot, Act::Create, "x_none_a", false},
      {"adding is creating", &kAnna, Act::Add, "x_billing_new", false},
      {"adding over is updating", &biller, Act::Add, "x_billing_there", false},
      {"an admin updates", &kRoot, Act::Replace, "x_billing_there", true},
      {"a biller does not", &biller, Act::Replace, "x_billing_there", false},
      {"nobody deletes bills", &kRoot, Act::Remove, "x_billing_there", false},
      {"what may be read only is not replaced", &kAnna, Act::Replace, "x_show_there", false},
      {"nor removed", &kAnna, Act::Remove, "x_show_there", false},
      {"free ones are", &kAnna, Act::Remove, "there", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    ImageCreate spec;
    spec.owner = kAnna.project;
    spec.properties = {{"there", "1"}, {"x_billing_there", "1"}, {"x_show_there", "1"}};
    const ImageId id = world.make(Context::system(), spec);
    Result<void> done;
    if (row.act == Act::Create) {
      ImageCreate wish;
      wish.properties[row.property] = "1";
      const auto made = world.images->create(*row.who, wish);
      if (!made) done = fail(made.error());
    } else {
      const Kind kind = row.act == Act::Add       ? Kind::Add
                        : row.act == Act::Replace ? Kind::Replace
                                                  : Kind::Remove;
      const auto changed = change_one(world, *row.who, id, kind, row.property);
      if (!changed) done = fail(changed.error());
    }
    CHECK(done.has_value() == row.allowed);
    if (!done) CHECK(done.error().code == ErrorCode::Forbidden);
    REQUIRE(world.images->remove(Context::system(), id));
  }
}

TEST_CASE("guard: a property that may not be read is in no answer and found by no filter") {
  Folder folder;
  World world({}, nullptr, protected_by(folder, kRules));
  ImageCreate spec;
  spec.owner = kAnna.project;
  spec.properties = {{"free", "1"}, {"x_billing_code", "7"}, {"x_none_a", "1"}};
  const ImageId id = world.make(Context::system(), spec);
  const Context biller = with_role(kAnna, "billing");
  const auto seen = [&](const Context& ctx) {
    const auto image = world.images->get(ctx, id);
    REQUIRE(image);
    const auto listed = world.images->list(ctx, {});
    REQUIRE(listed);
    REQUIRE(listed->size() == 1);
    CHECK(listed->front().properties == image->properties);
    return image->properties.size();
  };
  CHECK(seen(kAnna) == 1);
  CHECK(seen(biller) == 2);
  ImageQuery query;
  query.properties["x_billing_code"] = "7";
  CHECK(world.images->list(kAnna, query)->empty());
  CHECK(world.images->list(biller, query)->size() == 1);
  // What is not seen is not lost by a change of something else.
  const auto changed = change_one(world, kAnna, id, ImagePropertyChange::Kind::Add, "more");
  REQUIRE(changed);
  CHECK(changed->properties.size() == 2);
  CHECK(world.images->get(Context::system(), id)->properties.size() == 4);
}

TEST_CASE("guard: rules may be names of the policy's rules, and unknown ones are refused") {
  Folder folder;
  constexpr const char* kText =
      "[^p_]\ncreate = billers\nread = @\nupdate = !\ndelete = billers\n";
  ImageSettings settings = protected_by(folder, kText, PropertyRuleFormat::Policies);
  settings.policy.knows = [](std::string_view rule) { return rule == "billers"; };
  settings.policy.says_yes = [](const Context& ctx, std::string_view) {
    return ctx.project == kAnna.project;
  };
  World world({}, nullptr, std::move(settings));
  ImageCreate spec;
  spec.properties["p_a"] = "1";
  CHECK(world.images->create(kAnna, spec));
  CHECK(code_of(world.images->create(member_of("bo"), spec)) == ErrorCode::Forbidden);

  const auto rules = world.images->reload_property_protections();
  CHECK(rules);
  written(folder, "[^p_]\ncreate = nobodys\nread = @\nupdate = !\ndelete = !\n");
  const auto unknown = world.images->reload_property_protections();
  CHECK(code_of(unknown) == ErrorCode::InvalidArgument);
  CHECK(unknown.error().message.find("nobodys") != std::string::npos);
  CHECK(world.images->create(kAnna, spec));  // The rules of before stay in force.
  written(folder, "[^p_]\ncreate = !\nread = @\nupdate = !\ndelete = !\n");
  REQUIRE(world.images->reload_property_protections());
  CHECK(code_of(world.images->create(kAnna, spec)) == ErrorCode::Forbidden);
  std::filesystem::remove(folder.path / "rules.conf");
  CHECK(code_of(world.images->reload_property_protections()) == ErrorCode::NotFound);
}

TEST_CASE("guard: policy decides who makes an image public or for the community") {
  ImageSettings settings;
  settings.policy.enforce = [](const Context& ctx, std::string_view rule,
                               const ProjectId& owner) -> Result<void> {
    if (rule == "publicize_image" && ctx.project == kAnna.project && owner == ctx.project)
      return Result<void>();
    return fail(ErrorCode::Forbidden, "no");
  };
  World world({}, nullptr, std::move(settings));
  ImageCreate spec;
  spec.visibility = ImageVisibility::Public;
  CHECK(world.images->create(kAnna, spec));
  CHECK(code_of(world.images->create(member_of("bo"), spec)) == ErrorCode::Forbidden);
  spec.visibility = ImageVisibility::Community;
  CHECK(code_of(world.images->create(kAnna, spec)) == ErrorCode::Forbidden);
  const auto plain = world.images->create(kAnna, {});
  REQUIRE(plain);
  ImageUpdate update;
  update.visibility = ImageVisibility::Public;
  CHECK(world.images->update(kAnna, plain->id, update));
  update.visibility = ImageVisibility::Community;
  CHECK(code_of(world.images->update(kAnna, plain->id, update)) == ErrorCode::Forbidden);
}

TEST_CASE("guard: counts go no further than the operator allows") {
  ImageSettings settings;
  settings.rules.most_properties = 1;
  settings.rules.most_tags = 1;
  settings.rules.most_members = 1;
  settings.rules.most_property_chars = 4;
  World world({}, nullptr, std::move(settings));
  ImageCreate spec;
  spec.properties = {{"a", "1"}, {"b", "2"}};
  CHECK(code_of(world.images->create(kAnna, spec)) == ErrorCode::TooLarge);
  spec.properties = {{"a", "12345"}};
  CHECK(code_of(world.images->create(kAnna, spec)) == ErrorCode::TooLarge);
  spec.properties = {{"a", "1234"}};
  spec.tags = {"x", "y"};
  CHECK(code_of(world.images->create(kAnna, spec)) == ErrorCode::TooLarge);
  spec.tags = {"x"};
  const ImageId id = world.make(kAnna, spec);
  CHECK(code_of(world.images->add_tag(kAnna, id, "y")) == ErrorCode::TooLarge);
  using Kind = ImagePropertyChange::Kind;
  CHECK(code_of(change_one(world, kAnna, id, Kind::Add, "b")) == ErrorCode::TooLarge);
  CHECK(change_one(world, kAnna, id, Kind::Replace, "a"));
  CHECK(code_of(change_one(world, kAnna, id, Kind::Create, "a")) == ErrorCode::Conflict);
  REQUIRE(world.images->add_member(kAnna, id, ProjectId{"bo"}));
  CHECK(code_of(world.images->add_member(kAnna, id, ProjectId{"cy"})) == ErrorCode::TooLarge);
}

TEST_CASE("guard: shapeless data of another declared format is kept, given out, and never opened") {
  struct Row {
    std::string what;
    DiskFormat disk;
    std::string bytes, says;
  };
  const Row rows[] = {
      {"noise as qcow2", DiskFormat::Qcow2, "noise", "it is not qcow2"},
      {"noise as vhd", DiskFormat::Vhd, "noise", "it is not vhd"},
      {"noise as iso", DiskFormat::Iso, "noise", "it is not iso"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    ImageCreate spec;
    spec.disk_format = row.disk;
    const ImageId id = world.active(kAnna, row.bytes, spec);
    const auto image = world.images->get(kAnna, id);
    REQUIRE(image);
    CHECK(image->format_problem == row.says);
    CHECK_FALSE(image->virtual_size_bytes);
    const auto source = world.images->read(kAnna, id);
    REQUIRE(source);
    CHECK(drained(**source) == row.bytes);
    const auto pinned =
        world.with([&](store::Txn& txn) { return world.images->pin(txn, id, "server/s"); });
    CHECK(code_of(pinned) == ErrorCode::InvalidArgument);
    CHECK(pinned.error().message.find(row.says) != std::string::npos);

    ImageSettings strict;
    strict.rules.require_format_match = true;
    World stern({}, nullptr, std::move(strict));
    const ImageId refused = stern.make(kAnna, spec);
    CHECK(code_of(stern.upload(kAnna, refused, row.bytes)) == ErrorCode::InvalidArgument);
    CHECK(stern.images->get(kAnna, refused)->status == ImageStatus::Queued);
  }
}
