#include "identity/methods.hpp"

namespace cloudos::identity {

std::vector<std::vector<std::string>> required_methods_missing(const UserRecord& user,
                                                               std::uint32_t methods) {
  // Who holds an EC2 key signs each request: there is no login to add a method to.
  if ((methods & method_bit(TokenPayload::Method::Ec2)) != 0) return {};
  return missing_factors(user.options, method_names(methods), method_names(kLoginMethodBits))
      .value_or(std::vector<std::vector<std::string>>());
}

}  // namespace cloudos::identity
