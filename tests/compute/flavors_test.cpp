#include "world.hpp"

using namespace cloudos;
using namespace compute_test;

TEST_CASE("the first flavors are made once in the life of a store") {
  Outside outside;
  const std::shared_ptr<store::Store> store = store::open_memory();
  const Context admin = Context::system();
  {
    World w(outside, store);
    CHECK(w.servers->flavors().list(admin)->size() == 6);
    CHECK(w.servers->flavors().get(w.user, FlavorId{"42"})->name == "m1.nano");
    const auto listed = w.servers->flavors().list(admin);
    for (const Flavor& flavor : *listed)
      REQUIRE(w.servers->flavors().remove(admin, flavor.id));
  }
  World again(outside, store);
  CHECK(again.servers->flavors().list(admin)->empty());
}

TEST_CASE("flavors that cannot be are refused by name of what is wrong") {
  struct Row { std::string what; std::function<void(FlavorCreate&)> change; ErrorCode code; };
  const auto bad = ErrorCode::InvalidArgument;
  const Row rows[] = {
      {"fits", [](auto&) {}, ErrorCode::Internal},
      {"no name", [](auto& f) { f.name = ""; }, bad},
      {"a taken name", [](auto& f) { f.name = "m1.tiny"; }, ErrorCode::AlreadyExists},
      {"a taken id", [](auto& f) { f.id = FlavorId{"1"}; }, ErrorCode::AlreadyExists},
      {"an id with a slash", [](auto& f) { f.id = FlavorId{"a/b"}; }, bad},
      {"an id of 256", [](auto& f) { f.id = FlavorId{std::string(256, 'i')}; }, bad},
      {"an id that ends blank", [](auto& f) { f.id = FlavorId{"a "}; }, bad},
      {"no vCPU", [](auto& f) { f.vcpus = 0; }, bad},
      {"vCPUs beyond 31 bits", [](auto& f) { f.vcpus = 1ULL << 31; }, bad},
      {"no RAM", [](auto& f) { f.ram_mib = 0; }, bad},
      {"disk beyond 31 bits", [](auto& f) { f.disk_gib = 1ULL << 31; }, bad},
      {"swap", [](auto& f) { f.swap_mib = 1; }, bad},
      {"a factor of zero", [](auto& f) { f.rxtx_factor = 0; }, bad},
      {"a factor that is no number", [](auto& f) { f.rxtx_factor = NAN; }, bad},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Outside outside;
    World w(outside, store::open_memory());
    FlavorCreate spec;
    spec.name = "new";
    spec.ram_mib = 64;
    row.change(spec);
    const auto made = w.servers->flavors().create(Context::system(), spec);
    CHECK(made.has_value() == (row.code == ErrorCode::Internal));
    if (!made) CHECK(made.error().code == row.code);
    CHECK(w.servers->flavors().create(w.user, spec).error().code == ErrorCode::Forbidden);
  }
}

TEST_CASE("a private flavor exists for admins and the projects it is shared with") {
  Outside outside;
  World w(outside, store::open_memory());
  const Context admin = Context::system();
  Flavors& flavors = w.servers->flavors();
  FlavorCreate spec;
  spec.id = FlavorId{"secret"};
  spec.name = "secret";
  spec.ram_mib = 64;
  spec.is_public = false;
  REQUIRE(flavors.create(admin, spec));
  CHECK(flavors.get(w.user, spec.id).error().code == ErrorCode::NotFound);
  CHECK(flavors.list(w.user)->size() == 6);
  CHECK(flavors.list(w.user, {.is_public = std::nullopt})->size() == 6);
  CHECK(flavors.list(admin, {.is_public = std::nullopt})->size() == 7);
  CHECK(flavors.list(admin, {.is_public = false})->size() == 1);
  REQUIRE(flavors.add_access(admin, spec.id, w.user.project));
  CHECK(flavors.add_access(admin, spec.id, w.user.project).error().code ==
        ErrorCode::AlreadyExists);
  CHECK(flavors.add_access(admin, FlavorId{"1"}, w.user.project).error().code ==
        ErrorCode::Conflict);
  CHECK(flavors.get(w.user, spec.id)->name == "secret");
  CHECK(flavors.list(w.user)->size() == 7);
  REQUIRE(flavors.remove_access(admin, spec.id, w.user.project));
  CHECK(flavors.remove_access(admin, spec.id, w.user.project).error().code ==
        ErrorCode::NotFound);
  CHECK(flavors.get(w.user, spec.id).error().code == ErrorCode::NotFound);
}

TEST_CASE("flavor lists sort, page and filter; extra specs merge and drop") {
  Outside outside;
  World w(outside, store::open_memory());
  Flavors& flavors = w.servers->flavors();
  const auto ids = [&](const FlavorQuery& query) {
    const auto found = flavors.list(w.user, query);
    if (!found) return "error: " + found.error().message;
    std::string text;
    for (const Flavor& flavor : *found) text += flavor.id.value + " ";
    return text;
  };
  CHECK(ids({}) == "1 2 3 4 42 5 ");
  CHECK(ids({.min_ram_mib = 4096}) == "3 4 5 ");
  CHECK(ids({.min_disk_gib = 80}) == "4 5 ");
  CHECK(ids({.sort_key = "memory_mb", .descending = true}) == "5 4 3 2 1 42 ");
  CHECK(ids({.marker = "3", .limit = 2}) == "4 42 ");
  CHECK(ids({.marker = "none"}).starts_with("error: marker"));
  CHECK(ids({.sort_key = "taste"}).starts_with("error: sort_key"));
  const Context admin = Context::system();
  const FlavorId tiny{"1"};
  CHECK(flavors.change_extra_specs(admin, tiny, {{"hw:a", "1"}, {"b", "2"}})->extra_specs.size() ==
        2);
  CHECK(flavors.change_extra_specs(admin, tiny, {}, {"b"})->extra_specs.size() == 1);
  CHECK(flavors.change_extra_specs(admin, tiny, {}, {"b"}).error().code == ErrorCode::NotFound);
  CHECK(flavors.change_extra_specs(admin, tiny, {{"a/b", "1"}}).error().code ==
        ErrorCode::InvalidArgument);
  CHECK(flavors.change_extra_specs(w.user, tiny, {{"a", "1"}}).error().code ==
        ErrorCode::Forbidden);
}

TEST_CASE("key pairs are their user's, named once, counted and bounded") {
  Outside outside;
  World w(outside, store::open_memory());
  Keypairs& pairs = w.servers->keypairs();
  const char* key =
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me";
  REQUIRE(pairs.import(w.user, "laptop", key));
  CHECK(pairs.import(w.user, "laptop", key).error().code == ErrorCode::AlreadyExists);
  CHECK(pairs.import(w.user, "a/b", key).error().code == ErrorCode::InvalidArgument);
  CHECK(pairs.import(w.user, "", key).error().code == ErrorCode::InvalidArgument);
  CHECK(pairs.import(w.user, "x", "garbage").error().code == ErrorCode::InvalidArgument);
  CHECK(pairs.import(w.user, std::string(255, 'n'), key));
  CHECK(pairs.import(w.user, std::string(256, 'n'), key).error().code ==
        ErrorCode::InvalidArgument);
  CHECK(pairs.get(w.user, std::string(255, 'n'))->name.size() == 255);
  CHECK(pairs.list(w.user)->front().name == "laptop");
  CHECK(pairs.list(w.user, "laptop")->front().name.size() == 255);
  const Context other = user_of("p2");
  CHECK(pairs.get(other, "laptop").error().code == ErrorCode::NotFound);
  CHECK(pairs.get(other, "laptop", w.user.user).error().code == ErrorCode::Forbidden);
  CHECK(pairs.get(Context::system(), "laptop", w.user.user)->public_key == key);
  CHECK(pairs.list(Context::system()).error().code == ErrorCode::InvalidArgument);
  const auto made = pairs.generate(other, "laptop");
  REQUIRE(made);
  CHECK(made->keypair.public_key.starts_with("ssh-rsa "));
  REQUIRE(w.servers->set_quota(Context::system(), w.user.project, {{"key_pairs", 2}}));
  CHECK(pairs.import(w.user, "third", key).error().code == ErrorCode::QuotaExceeded);
  REQUIRE(pairs.remove(w.user, "laptop"));
  CHECK(pairs.remove(w.user, "laptop").error().code == ErrorCode::NotFound);
  CHECK(pairs.import(w.user, "third", key));
}
