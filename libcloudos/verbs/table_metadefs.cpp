// Metadata definitions of the Image service.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::metadefs {

constexpr Parameter kSpace = word("namespace", "NAMESPACE", "its name");
constexpr Parameter kInSpace = word("space", "NAMESPACE", "name of the namespace");
constexpr Parameter kDisplayName = text("display_name", "--display-name", "name for people");
constexpr Parameter kDescription = text("description", "--description", "what it is for");

constexpr Parameter kSpaceCreate[] = {
    kSpace,       kDisplayName,
    kDescription, kPublic,
    kPrivate,     kProtected,
    kUnprotected, ref("owner", "--project", "projects", "project it belongs to")};
constexpr Parameter kSpaceList[] = {
    kOnlyPublic,
    kOnlyPrivate,
    text("resource_types", "--resource-types", "for one of these types: A,B"),
    limit(),
    marker(),
};
constexpr Parameter kSpaceShow[] = {
    kInSpace, text("resource_type", "--resource-type", "names as things of this type have them")};
constexpr Parameter kSpaceSet[] = {kInSpace,     text("namespace", "--name", "new name"),
                                   kDisplayName, kDescription,
                                   kPublic,      kPrivate,
                                   kProtected,   kUnprotected};
constexpr Parameter kSpaceOne[] = {kInSpace};

constexpr Parameter kTitle = text("title", "--title", "name for people");
constexpr Parameter kType =
    text("type", "--type", "array, boolean, integer, number, object or string");
constexpr Parameter kValues = of(Kind::TextList, "enum", "--enum", "a value (repeat for more)");
constexpr Parameter kOperators =
    of(Kind::TextList, "operators", "--operator", "a way to compare (repeat for more)");
constexpr Parameter kPropertyCreate[] = {kInSpace,
                                         must(text("name", "--name", "its name")),
                                         must(kTitle),
                                         must(kType),
                                         kDescription,
                                         kValues,
                                         kOperators,
                                         text("default", "--default", "value where none is set"),
                                         number("minimum", "--minimum", "least number"),
                                         number("maximum", "--maximum", "greatest number")};
constexpr Parameter kPropertyName = word("property", "PROPERTY", "its name");
constexpr Parameter kPropertyOne[] = {kInSpace, kPropertyName};
constexpr Parameter kPropertySet[] = {kInSpace, kPropertyName, kNewName,
                                      kTitle,   kType,         kDescription,
                                      kValues,  kOperators};

constexpr Parameter kRequired =
    of(Kind::TextList, "required", "--required", "a property that must be set (repeat for more)");
constexpr Parameter kObjectCreate[] = {kInSpace, must(text("name", "--name", "its name")),
                                       kDescription, kRequired};
constexpr Parameter kObjectName = word("object", "OBJECT", "its name");
constexpr Parameter kObjectOne[] = {kInSpace, kObjectName};
constexpr Parameter kObjectSet[] = {kInSpace, kObjectName, kNewName,
                                    kDescription, kRequired};

constexpr Parameter kTagName = word("tag", "TAG", "its name");
constexpr Parameter kTagOne[] = {kInSpace, kTagName};
constexpr Parameter kTagSet[] = {kInSpace, kTagName, must(kNewName)};
constexpr Parameter kTagsSet[] = {
    kInSpace, must(of(Kind::ObjectList, "tags", "--tag", "a tag (repeat for more)", "name"))};

constexpr Parameter kAssociate[] = {
    kInSpace, word("name", "TYPE", "resource type such as OS::Glance::Image"),
    text("prefix", "--prefix", "in front of the properties' names"),
    text("properties_target", "--properties-target", "which set of properties")};
constexpr Parameter kDissociate[] = {kInSpace, word("type", "TYPE", "resource type")};

#define CLOUDOS_METADEF "/image/v2/metadefs/namespaces/{space}"
constexpr Verb kMetadefVerbs[] = {
    {"metadef_namespaces.list", "GET", "/image/v2/metadefs/namespaces", "", "namespaces",
     "Lists namespaces of metadata definitions.", "image metadef namespace list", kSpaceList},
    {"metadef_namespaces.create", "POST", "/image/v2/metadefs/namespaces", "", "",
     "Makes a namespace for metadata definitions.", "image metadef namespace create", kSpaceCreate},
    {"metadef_namespaces.show", "GET", CLOUDOS_METADEF, "", "",
     "Shows a namespace with its definitions.", "image metadef namespace show", kSpaceShow},
    {"metadef_namespaces.update", "PUT", CLOUDOS_METADEF, "", "", "Changes a namespace.",
     "image metadef namespace set", kSpaceSet},
    {"metadef_namespaces.delete", "DELETE", CLOUDOS_METADEF, "", "",
     "Deletes a namespace with its definitions.", "image metadef namespace delete", kSpaceOne},

    {"metadef_properties.list", "GET", CLOUDOS_METADEF "/properties", "", "properties",
     "Lists the properties of a namespace.", "image metadef property list", kSpaceShow},
    {"metadef_properties.create", "POST", CLOUDOS_METADEF "/properties", "", "",
     "Defines a property.", "image metadef property create", kPropertyCreate},
    {"metadef_properties.show", "GET", CLOUDOS_METADEF "/properties/{property}", "", "",
     "Shows what a property means.", "image metadef property show", kPropertyOne},
    {"metadef_properties.update", "PUT", CLOUDOS_METADEF "/properties/{property}", "", "",
     "Changes the definition of a property.", "image metadef property set", kPropertySet},
    {"metadef_properties.delete", "DELETE", CLOUDOS_METADEF "/properties/{property}", "", "",
     "Deletes the definition of a property.", "image metadef property delete", kPropertyOne},
    {"metadef_properties.clear", "DELETE", CLOUDOS_METADEF "/properties", "", "",
     "Deletes all properties of a namespace.", "", kSpaceOne},

    {"metadef_objects.list", "GET", CLOUDOS_METADEF "/objects", "", "objects",
     "Lists the objects of a namespace.", "image metadef object list", kSpaceOne},
    {"metadef_objects.create", "POST", CLOUDOS_METADEF "/objects", "", "",
     "Makes an object of properties that belong together.", "image metadef object create",
     kObjectCreate},
    {"metadef_objects.show", "GET", CLOUDOS_METADEF "/objects/{object}", "", "",
     "Shows an object of a namespace.", "image metadef object show", kObjectOne},
    {"metadef_objects.update", "PUT", CLOUDOS_METADEF "/objects/{object}", "", "",
     "Changes an object of a namespace.", "image metadef object update", kObjectSet},
    {"metadef_objects.delete", "DELETE", CLOUDOS_METADEF "/objects/{object}", "", "",
     "Deletes an object of a namespace.", "image metadef object delete", kObjectOne},
    {"metadef_objects.clear", "DELETE", CLOUDOS_METADEF "/objects", "", "",
     "Deletes all objects of a namespace.", "", kSpaceOne},

    {"metadef_tags.list", "GET", CLOUDOS_METADEF "/tags", "", "tags",
     "Lists the tags of a namespace.", "image metadef tag list", kSpaceOne},
    {"metadef_tags.set_all", "POST", CLOUDOS_METADEF "/tags", "", "tags",
     "Gives a namespace these tags and no others.", "image metadef tag set", kTagsSet},
    {"metadef_tags.create", "POST", CLOUDOS_METADEF "/tags/{tag}", "", "",
     "Adds a tag to a namespace.", "image metadef tag create", kTagOne},
    {"metadef_tags.show", "GET", CLOUDOS_METADEF "/tags/{tag}", "", "", "Shows a tag.",
     "image metadef tag show", kTagOne},
    {"metadef_tags.update", "PUT", CLOUDOS_METADEF "/tags/{tag}", "", "", "Renames a tag.",
     "image metadef tag rename", kTagSet},
    {"metadef_tags.delete", "DELETE", CLOUDOS_METADEF "/tags/{tag}", "", "", "Deletes a tag.",
     "image metadef tag delete", kTagOne},
    {"metadef_tags.clear", "DELETE", CLOUDOS_METADEF "/tags", "", "",
     "Deletes all tags of a namespace.", "", kSpaceOne},

    {"metadef_resource_types.list", "GET", "/image/v2/metadefs/resource_types", "",
     "resource_types", "Lists the types of things that definitions are for.",
     "image metadef resource type list"},
    {"metadef_associations.list", "GET", CLOUDOS_METADEF "/resource_types", "",
     "resource_type_associations", "Lists the types of things that a namespace is for.",
     "image metadef resource type association list", kSpaceOne},
    {"metadef_associations.create", "POST", CLOUDOS_METADEF "/resource_types", "", "",
     "Says that a namespace is for things of a type.",
     "image metadef resource type association create", kAssociate},
    {"metadef_associations.delete", "DELETE", CLOUDOS_METADEF "/resource_types/{type}", "", "",
     "Takes a type of things from a namespace.", "image metadef resource type association delete",
     kDissociate},
};
#undef CLOUDOS_METADEF

constexpr Column kSpaceColumns[] = {{"Namespace", "namespace"},
                                    {"Display Name", "display_name", Look::Plain, {}, {}, true},
                                    {"Description", "description"},
                                    {"Visibility", "visibility", Look::Plain, {}, {}, true},
                                    {"Protected", "protected", Look::Plain, {}, {}, true},
                                    {"Project", "owner", Look::Plain, {}, {}, true}};
constexpr Column kPropertyColumns[] = {{"Name", "name"}, {"Title", "title"}, {"Type", "type"}};
constexpr Column kObjectColumns[] = {{"Name", "name"}, {"Description", "description"}};
constexpr Column kTagColumns[] = {{"Name", "name"}};
constexpr Column kTypeColumns[] = {{"Name", "name"}, {"Created At", "created_at"}};
constexpr Column kAssociationColumns[] = {{"Name", "name"}, {"Prefix", "prefix"}};

constexpr Noun kMetadefNouns[] = {
    {"metadef_namespaces", "metadef namespace", "image", kSpaceColumns, "namespace", "namespace"},
    {"metadef_properties", "metadef property", "image", kPropertyColumns, "name", "name"},
    {"metadef_objects", "metadef object", "image", kObjectColumns, "name", "name"},
    {"metadef_tags", "metadef tag", "image", kTagColumns, "name", "name"},
    {"metadef_resource_types", "metadef resource type", "image", kTypeColumns, "name", "name"},
    {"metadef_associations", "metadef resource type association", "image", kAssociationColumns,
     "name", "name"},
};

}  // namespace table::metadefs

std::span<const Verb> metadef_verbs() {
  return table::metadefs::kMetadefVerbs;
}
std::span<const Noun> metadef_nouns() {
  return table::metadefs::kMetadefNouns;
}

}  // namespace cloudos::verbs
