#include <doctest/doctest.h>

#include "identity/quota.hpp"
#include "cloudos/store.hpp"

using namespace cloudos;

namespace {
struct QuotaWorld {
  std::unique_ptr<store::Store> store = store::open_memory();
  ProjectId project{"p"};

  Result<void> with(const store::Body& body) {
    CLOUDOS_CHECK(store->transact(body));
    return Result<void>();
  }
  Result<void> reserve(std::string_view resource, std::int64_t delta) {
    return with(
        [&](store::Txn& txn) { return Quota::reserve(txn, project, resource, delta); });
  }
  Result<void> limit(std::string_view resource, std::optional<std::int64_t> most) {
    return with([&](store::Txn& txn) { return Quota::set_limit(txn, project, resource, most); });
  }
  QuotaUse use(const std::string& resource) {
    const auto uses = Quota::usage(**store->snapshot(), project);
    REQUIRE(uses);
    REQUIRE(uses->contains(resource));
    return uses->at(resource);
  }
};
}  // namespace

TEST_CASE("quota counts up to the limit, says what is over it, and gives back") {
  QuotaWorld world;
  CHECK(world.use("servers").limit == 10);
  CHECK(world.use("ram_mib").limit == 51'200);
  REQUIRE(world.reserve("servers", 10));
  const auto over = world.reserve("servers", 1);
  REQUIRE_FALSE(over);
  CHECK(over.error().code == ErrorCode::QuotaExceeded);
  CHECK(over.error().message.find("servers") != std::string::npos);
  CHECK(over.error().message.find("10 of 10") != std::string::npos);
  REQUIRE(world.reserve("servers", -4));
  CHECK(world.use("servers").in_use == 6);
  CHECK(world.reserve("servers", 4));
  CHECK_FALSE(world.reserve("servers", 1));
}

TEST_CASE("a project's own limit beats the cloud's default, which beats the built-in one") {
  QuotaWorld world;
  const auto cloud_default = [&](std::optional<std::int64_t> most) {
    return world.with([&](store::Txn& txn) { return Quota::set_default(txn, "cores", most); });
  };
  CHECK(world.use("cores").limit == 20);
  REQUIRE(cloud_default(5));
  CHECK(world.use("cores").limit == 5);
  CHECK_FALSE(world.reserve("cores", 6));
  REQUIRE(world.limit("cores", 7));
  CHECK(world.reserve("cores", 7));
  REQUIRE(world.limit("cores", 3));  // Below the use: only what is new is stopped.
  CHECK(world.use("cores").in_use == 7);
  CHECK_FALSE(world.reserve("cores", 1));
  CHECK(world.reserve("cores", -1));
  REQUIRE(world.limit("cores", kUnlimited));
  CHECK(world.reserve("cores", 1'000'000'000));
  REQUIRE(world.limit("cores", std::nullopt));
  CHECK(world.use("cores").limit == 5);
  REQUIRE(cloud_default(std::nullopt));
  CHECK(world.use("cores").limit == 20);
}

TEST_CASE("quota refuses what makes no sense and never overflows") {
  QuotaWorld world;
  CHECK(world.reserve("unicorns", 1).error().code == ErrorCode::Internal);
  CHECK(world.limit("unicorns", 1).error().code == ErrorCode::InvalidArgument);
  CHECK(world.limit("cores", -2).error().code == ErrorCode::InvalidArgument);
  REQUIRE(world.limit("cores", kUnlimited));
  REQUIRE(world.reserve("cores", INT64_MAX));
  CHECK(world.reserve("cores", 1).error().code == ErrorCode::QuotaExceeded);
  CHECK(world.reserve("cores", -INT64_MAX));
  CHECK(world.reserve("cores", -5));
  CHECK(world.use("cores").in_use == 0);
}

TEST_CASE("a transaction that fails later takes nothing, and a count of zero leaves no key") {
  QuotaWorld world;
  CHECK_FALSE(world.with([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(Quota::reserve(txn, world.project, "ports", 3));
    return fail(ErrorCode::Conflict, "changed my mind");
  }));
  CHECK(world.use("ports").in_use == 0);
  REQUIRE(world.reserve("ports", 3));
  REQUIRE(world.reserve("ports", -3));
  CHECK((*world.store->snapshot())->scan("/quota-use/")->empty());
}
