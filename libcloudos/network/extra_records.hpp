#pragma once
#include "cloudos/address_groups.hpp"
#include "cloudos/default_rules.hpp"
#include "cloudos/metering_labels.hpp"
#include "cloudos/network_qos.hpp"
#include "cloudos/network_sharing.hpp"
#include "cloudos/trunks.hpp"
#include "network/lists.hpp"
#include "network/record.hpp"

/// How the records beside the core ones are stored, and what lists know of them.
namespace cloudos {

void fields(codec::FieldVisitor& v, RbacPolicy& r);
void fields(codec::FieldVisitor& v, QosRule& r);
void fields(codec::FieldVisitor& v, QosPolicy& q);
void fields(codec::FieldVisitor& v, SubPort& s);
void fields(codec::FieldVisitor& v, Trunk& t);
void fields(codec::FieldVisitor& v, AddressGroup& g);
void fields(codec::FieldVisitor& v, DefaultRule& r);
void fields(codec::FieldVisitor& v, MeteringLabel& l);
void fields(codec::FieldVisitor& v, MeteringRule& r);

void keys(records::Keys& k, const RbacPolicy& r);
void keys(records::Keys& k, const QosPolicy& q);
void keys(records::Keys& k, const Trunk& t);
void keys(records::Keys& k, const AddressGroup& g);
void keys(records::Keys& k, const MeteringLabel& l);
void keys(records::Keys& k, const MeteringRule& r);

std::optional<network::Attribute> list_attribute(const RbacPolicy& r, std::string_view name);
std::optional<network::Attribute> list_attribute(const QosPolicy& q, std::string_view name);
std::optional<network::Attribute> list_attribute(const Trunk& t, std::string_view name);
std::optional<network::Attribute> list_attribute(const AddressGroup& g, std::string_view name);
std::optional<network::Attribute> list_attribute(const DefaultRule& r, std::string_view name);
std::optional<network::Attribute> list_attribute(const MeteringLabel& l, std::string_view name);
std::optional<network::Attribute> list_attribute(const MeteringRule& r, std::string_view name);

}  // namespace cloudos
