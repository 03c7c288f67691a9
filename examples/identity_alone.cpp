// Identity alone: log in, hold a token, lose it when the user is disabled.
#include <cstdio>

#include "cloudos/cloud.hpp"
#include "cloudos/identity.hpp"

int main() {
  using namespace cloudos;
  auto cloud = Cloud::open({.admin_password = "a secret"});
  if (!cloud) return std::fprintf(stderr, "%s\n", cloud.error().message.c_str()), 1;
  Identity& identity = (*cloud)->identity();
  Login login;
  login.password = Login::Password{{"", "admin", "default", ""}, "a secret"};
  const auto token = identity.authenticate(login);
  if (!token) return std::fprintf(stderr, "%s\n", token.error().message.c_str()), 1;
  const bool held = identity.validate(token->text).has_value();
  IdentityUpdate off;
  off.enabled = false;
  if (!identity.update_user(Context::system(), UserId{token->user.id}, off)) return 1;
  const bool holds = identity.validate(token->text).has_value();
  std::printf("the token held: %s; after the user was disabled: %s\n", held ? "yes" : "no",
              holds ? "yes" : "no");
  return held && !holds ? 0 : 1;
}
