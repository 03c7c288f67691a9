#pragma once
#include "cloudos/networks.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"
#include "records/table.hpp"

/// How the room's records are stored. Found by argument-dependent lookup, hence the namespace.
namespace cloudos {

void fields(codec::FieldVisitor& v, AddressPool& p);
void fields(codec::FieldVisitor& v, HostRoute& r);
void fields(codec::FieldVisitor& v, FixedIp& f);
void fields(codec::FieldVisitor& v, AllowedAddressPair& p);
void fields(codec::FieldVisitor& v, DhcpOption& o);
void fields(codec::FieldVisitor& v, BindingLevel& l);
void fields(codec::FieldVisitor& v, PortBinding& b);
void fields(codec::FieldVisitor& v, NetworkSegment& s);
void fields(codec::FieldVisitor& v, Network& n);
void fields(codec::FieldVisitor& v, Subnet& s);
void fields(codec::FieldVisitor& v, Port& p);
void fields(codec::FieldVisitor& v, SecurityGroup& g);
void fields(codec::FieldVisitor& v, SecurityGroupRule& r);

void keys(records::Keys& k, const Network& n);
void keys(records::Keys& k, const Subnet& s);
void keys(records::Keys& k, const Port& p);
void keys(records::Keys& k, const SecurityGroup& g);
void keys(records::Keys& k, const SecurityGroupRule& r);

namespace network {

inline constexpr std::string_view kDhcpOwner = "network:dhcp";

/// The index value under which plugged ports of one driver on one network lie.
std::string plugged_on(std::string_view driver, const NetworkId& network);
/// "tap" and the end of the id: ids begin with the time, so that their beginnings hardly differ.
std::string tap_name(const PortId& id);

}  // namespace network
}  // namespace cloudos
