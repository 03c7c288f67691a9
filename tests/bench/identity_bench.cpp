// What every request pays before it begins: the token and the rule, in this process.
#include <fmt/format.h>

#include <chrono>

#include "bench.hpp"
#include "cloudos/rest.hpp"
#include "identity/fernet.hpp"
#include "seed.hpp"

namespace cloudos::bench {

namespace {

using Tick = std::chrono::steady_clock;

/// Microseconds per call.
template <class Call>
double micros_of(std::size_t calls, const Call& call) {
  const auto began = Tick::now();
  for (std::size_t i = 0; i < calls; ++i) call();
  return std::chrono::duration<double, std::micro>(Tick::now() - began).count() /
         static_cast<double>(calls);
}

rest::Response get(const rest::Router& router, const std::string& target,
                   const std::string& token) {
  rest::Request request;
  request.method = "GET";
  request.target = target;
  request.base_url = "http://127.0.0.1:5000";
  request.headers.add("X-Auth-Token", token);
  request.headers.add("X-Subject-Token", token);
  return router.handle(request);
}

}  // namespace

std::vector<Figure> bench_identity(const Settings& settings) {
  const std::size_t calls = settings.quick ? 50 : 50'000, slow = settings.quick ? 5 : 1'000;
  const int rounds = settings.quick ? 1 : 7;
  const Seeded seeded = seed(settings.folder / "identity", 1);
  Identity& identity = seeded.cloud->identity();
  const rest::Router router(*seeded.cloud);
  // The reference is what no cache can leave out: opening a sealed text of the same size.
  SystemRandom random;
  const identity::Fernet fernet({{std::string(16, 's'), std::string(16, 'e')}});
  const std::string sealed = fernet.seal(std::string(120, 'x'), 1, random);
  const Context system = Context::system();
  RoleCreate role;
  role.name = "bench";
  const Role touched = must(identity.create_role(system, role), "a role");
  Login rescope;
  rescope.token = seeded.token;
  rescope.scope.kind = Scope::Kind::System;

  Rounds copies, shared, fresh, rules, reply, again;
  for (int round = 0; round < rounds; ++round) {
    const double open = micros_of(slow, [&] { (void)fernet.open(sealed); });
    copies.add(micros_of(calls, [&] { must(identity.validate(seeded.token), "validating"); }),
               open);
    shared.add(micros_of(calls, [&] { must(identity.valid(seeded.token), "validating"); }), open);
    double looked = 0;
    for (std::size_t i = 0; i < slow / 20 + 1; ++i) {
      IdentityUpdate with;
      with.description = fmt::format("change {}", i);
      must(identity.update_role(system, touched.id, with), "changing a role");
      looked += micros_of(1, [&] { must(identity.valid(seeded.token), "validating"); });
    }
    fresh.add(looked / static_cast<double>(slow / 20 + 1), open);
    rules.add(1'000 * micros_of(calls,
                                [&] {
                                  must(identity.enforce(seeded.me, "os_compute_api:servers:detail"),
                                       "asking a rule");
                                }),
              1'000 * open);
    reply.add(micros_of(calls / 10 + 1,
                        [&] {
                          if (get(router, "/identity/v3/auth/tokens", seeded.token).status != 200)
                            give_up("no token");
                        }),
              open);
    again.add(micros_of(slow, [&] { must(identity.authenticate(rescope), "scoping again"); }),
              open);
  }
  const std::string by = "; reference: opening one sealed text";
  return {copies.figure("identity.validate", "Identity::validate" + by, "us"),
          shared.figure("identity.valid", "Identity::valid, no copy" + by, "us"),
          fresh.figure("identity.first_look", "the first valid() after a change" + by, "us"),
          rules.figure("identity.enforce", "one rule of the policy" + by, "ns"),
          reply.figure("identity.reply", "GET /auth/tokens with catalogue, through the router" + by,
                       "us"),
          again.figure("identity.rescope", "a token from a token" + by, "us")};
}

}  // namespace cloudos::bench
