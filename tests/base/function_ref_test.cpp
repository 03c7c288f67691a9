#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include "cloudos/function_ref.hpp"

namespace {

int twice(const cloudos::FunctionRef<int(int)>& call) { return call(call(1)); }
bool is_there(const cloudos::FunctionRef<void()>& call) { return static_cast<bool>(call); }
std::unique_ptr<int> hand_over(
    const cloudos::FunctionRef<std::unique_ptr<int>(std::unique_ptr<int>)>& call) {
  return call(std::make_unique<int>(7));
}

}  // namespace

TEST_CASE("a function reference calls the very object it names, and makes no copy of it") {
  int calls = 0;
  auto counting = [&calls, own = 0](int value) mutable {
    ++calls;
    return value + ++own;
  };
  CHECK(twice(counting) == 1 + 1 + 2);
  CHECK(calls == 2);
  CHECK(twice(counting) == 1 + 3 + 4);  // What it holds went on.
}

TEST_CASE("a function reference takes const objects, functions of the library and temporaries") {
  const auto constant = [](int value) { return value + 10; };
  const std::function<int(int)> held = [](int value) { return value * 3; };
  CHECK(twice(constant) == 21);
  CHECK(twice(held) == 9);
  CHECK(twice([](int value) { return value - 1; }) == -1);
}

TEST_CASE("what is given to a function reference and what it answers may be moved only") {
  const auto same = hand_over([](std::unique_ptr<int> given) { return given; });
  REQUIRE(same);
  CHECK(*same == 7);
}

TEST_CASE("a function reference of nothing is false") {
  CHECK_FALSE(is_there(nullptr));
  CHECK(is_there([] {}));
}

TEST_CASE("a function reference takes what fits its signature, and is not kept") {
  using Ref = cloudos::FunctionRef<int(const std::string&)>;
  const auto fits = [](const std::string& text) { return static_cast<int>(text.size()); };
  const auto does_not = [](int value) { return value; };
  CHECK(std::is_constructible_v<Ref, decltype(fits)&>);
  CHECK_FALSE(std::is_constructible_v<Ref, decltype(does_not)&>);
  CHECK_FALSE(std::is_copy_constructible_v<Ref>);
  CHECK_FALSE(std::is_copy_assignable_v<Ref>);
}
