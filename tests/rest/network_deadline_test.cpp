#include "cloudos/store.hpp"
#include "rest/network_scene.hpp"

using namespace cloudos;
using namespace rest_test;

TEST_CASE("a change of networks whose deadline has passed, or that was cancelled, is none") {
  std::unique_ptr<NetworkScene> scene;
  std::size_t changing = 0;
  for (const rest::Route& route : rest::network_routes()) {
    if (route.method == "GET" || route.method == "HEAD") continue;
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    if (!scene) scene = std::make_unique<NetworkScene>();
    const auto revision = [&] {
      const auto at = scene->cloud->options().store->snapshot();
      REQUIRE(at);
      return (*at)->revision();
    };
    CHECK(scene->send(route, "").status == 401);  // Makes what the path is to name.
    const auto token = scene->cloud->identity().validate(scene->admin);
    REQUIRE(token);
    Context late = token->context("req-1"), gone = late;
    late.deadline = scene->clock->mono();
    gone.cancel = CancelToken::make();
    gone.cancel.cancel();
    const auto before = revision();
    for (const Context& caller : {late, gone}) {
      scene->caller = caller;
      const Answer refused = scene->send(route, "");
      scene->caller.reset();
      CAPTURE(refused.text);
      CHECK(refused.status >= 400);
      CHECK(revision() == before);
    }
    // What would have been a change, had there been time.
    if (scene->send(route, scene->admin).status < 300) ++changing;
    if (revision() != before) scene.reset();
  }
  INFO(changing << " of them went through in time");
  CHECK(changing >= 60);
}
