#pragma once
#include "cloudos/subnet_pools.hpp"
#include "network/record.hpp"

/// How subnet pools, address scopes and what is taken of pools are stored.
namespace cloudos {

void fields(codec::FieldVisitor& v, AddressScope& s);
void fields(codec::FieldVisitor& v, SubnetPool& p);
void keys(records::Keys& k, const AddressScope& s);
void keys(records::Keys& k, const SubnetPool& p);

namespace network {

/// What is taken of one pool, beside the pool so that its revision counts only its own changes.
/// There is none while nothing is taken.
struct PoolUse {
  static constexpr std::string_view kKind = "subnet_pool_use";
  static constexpr std::uint32_t kSchema = 1;
  struct Taken {
    std::string cidr;
    SubnetId subnet;
    ProjectId project;
  };
  SubnetPoolId id;
  std::uint64_t generation = 0;
  std::vector<Taken> taken;  ///< By address.
  std::string unknown;
};
void fields(codec::FieldVisitor& v, PoolUse& u);
void fields(codec::FieldVisitor& v, PoolUse::Taken& t);
void keys(records::Keys& k, const PoolUse& u);

}  // namespace network
}  // namespace cloudos
