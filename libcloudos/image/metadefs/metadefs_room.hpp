#pragma once
#include <memory>
#include <set>

#include "cloudos/metadefs.hpp"
#include "codec/fields.hpp"
#include "records/table.hpp"
#include "tasks/engine.hpp"

/// How metadata definitions are stored: a namespace is one record with all that is in it.
///   /metadef-namespace/<id>         MetadefNamespace; unique by name
///   /metadef-resource-type/<name>   MetadefResourceType
///   /metadef-catalogue/usual        which namespaces of our catalogue were loaded once
namespace cloudos {

void fields(codec::FieldVisitor& v, MetadefProperty& p);
void fields(codec::FieldVisitor& v, MetadefObject& o);
void fields(codec::FieldVisitor& v, MetadefTag& t);
void fields(codec::FieldVisitor& v, MetadefAssociation& a);
void fields(codec::FieldVisitor& v, MetadefResourceType& t);
void keys(records::Keys& k, const MetadefResourceType& t);
void fields(codec::FieldVisitor& v, MetadefNamespace& n);
void keys(records::Keys& k, const MetadefNamespace& n);

/// `engine` outlives it.
std::unique_ptr<Metadefs> make_metadefs(const Engine& engine);

namespace image {

/// What of the catalogue was loaded: never again, whatever became of it.
struct MetadefCatalogue {
  static constexpr std::string_view kKind = "metadef-catalogue";
  static constexpr std::uint32_t kSchema = 1;
  std::string id = "usual";
  std::uint64_t generation = 0;
  std::set<std::string> loaded;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, MetadefCatalogue& c);
void keys(records::Keys& k, const MetadefCatalogue& c);

/// The usual namespaces, without ids, owners and times.
std::vector<MetadefNamespace> usual_metadefs();

/// Names, sizes, types, JSON. Errors: InvalidArgument, TooLarge.
Result<void> check_metadef_name(std::string_view what, std::string_view name);
Result<void> check_metadef(const MetadefProperty& property);
Result<void> check_metadef(const MetadefObject& object);
Result<void> check_metadef(const MetadefAssociation& association);
/// All of it. Errors: the same.
Result<void> check_metadef(const MetadefNamespace& space);
/// Is it the text of one JSON object, at most limits::kJsonDepth deep?
bool is_json_object(std::string_view text);

}  // namespace image
}  // namespace cloudos
