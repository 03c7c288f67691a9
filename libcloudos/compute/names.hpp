#pragma once
#include <map>
#include <string>

#include "compute/servers_impl.hpp"

namespace cloudos {

/// Names of networks and security groups, each looked up once while a call lasts.
class Servers::Impl::Names {
 public:
  explicit Names(Networks& service) : service_(service) {}
  const std::string& network(const NetworkId& id);
  const std::string& group(const SecurityGroupId& id);

 private:
  Networks& service_;
  std::map<NetworkId, std::string> networks_;
  std::map<SecurityGroupId, std::string> groups_;
};

}  // namespace cloudos
