#pragma once
#include "cloudos/servers.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"

/// How the room's public structs are stored. In their own namespace, so that the codec finds them.
namespace cloudos {

void fields(codec::FieldVisitor& v, Flavor& f);
void fields(codec::FieldVisitor& v, Keypair& k);
void fields(codec::FieldVisitor& v, ServerFault& f);
void fields(codec::FieldVisitor& v, ServerPort& p);
void fields(codec::FieldVisitor& v, ServerNetwork& n);
void fields(codec::FieldVisitor& v, Server& s);
void keys(records::Keys& k, const Flavor& f);
void keys(records::Keys& k, const Keypair& p);
void keys(records::Keys& k, const Server& s);

namespace compute {
/// Base64 text apart from its server, so that lists of servers do not drag it along.
std::string user_data_key(const ServerId& id);
}  // namespace compute
}  // namespace cloudos
