#pragma once
#include <span>

#include "verbs/commands.hpp"

/// What the files of the table share. Each service has one: its verbs, its nouns, and second ways
/// to type a verb.
namespace cloudos::verbs {

std::span<const Verb> identity_verbs();
std::span<const Verb> access_verbs();
std::span<const Verb> registry_verbs();
std::span<const Verb> credential_verbs();
std::span<const Verb> delegation_verbs();
std::span<const Verb> image_verbs();
std::span<const Verb> import_verbs();
std::span<const Verb> metadef_verbs();
std::span<const Verb> network_verbs();
std::span<const Verb> layer3_verbs();
std::span<const Verb> netpolicy_verbs();
std::span<const Verb> netparts_verbs();
std::span<const Verb> segment_verbs();
std::span<const Verb> trace_verbs();
std::span<const Verb> compute_verbs();
std::span<const Verb> host_verbs();
std::span<const Verb> task_verbs();
std::span<const Verb> audit_verbs();

std::span<const Noun> identity_nouns();
std::span<const Noun> registry_nouns();
std::span<const Noun> credential_nouns();
std::span<const Noun> delegation_nouns();
std::span<const Noun> image_nouns();
std::span<const Noun> import_nouns();
std::span<const Noun> metadef_nouns();
std::span<const Noun> network_nouns();
std::span<const Noun> layer3_nouns();
std::span<const Noun> netpolicy_nouns();
std::span<const Noun> netparts_nouns();
std::span<const Noun> segment_nouns();
std::span<const Noun> trace_nouns();
std::span<const Noun> compute_nouns();
std::span<const Noun> task_nouns();
std::span<const Noun> audit_nouns();

/// A verb under other words than its own.
struct Face {
  std::string_view words, verb, help;
  std::span<const Parameter> parameters;
};
std::span<const Face> faces();

/// What rows are made with. Each file keeps its own in a namespace inside this one.
namespace table {

constexpr Parameter text(std::string_view name, std::string_view flag, std::string_view help) {
  return {name, Kind::Text, flag, help};
}
constexpr Parameter of(Kind kind, std::string_view name, std::string_view flag,
                       std::string_view help, std::string_view extra = {}) {
  return {name, kind, flag, help, {}, extra};
}
constexpr Parameter number(std::string_view name, std::string_view flag, std::string_view help) {
  return {name, Kind::Integer, flag, help};
}
/// A switch that sets a member to this JSON.
constexpr Parameter set(std::string_view name, std::string_view flag, std::string_view json,
                        std::string_view help) {
  return {name, Kind::Constant, flag, help, {}, json};
}
constexpr Parameter ref(std::string_view name, std::string_view flag, std::string_view noun,
                        std::string_view help, std::string_view extra = {}) {
  return {name, Kind::Reference, flag, help, noun, extra};
}
constexpr Parameter refs(std::string_view name, std::string_view flag, std::string_view noun,
                         std::string_view help, std::string_view extra = {}) {
  return {name, extra.empty() ? Kind::ReferenceList : Kind::ObjectList, flag, help, noun, extra};
}
constexpr Parameter must(Parameter parameter) {
  parameter.required = true;
  return parameter;
}
constexpr Parameter append(Parameter parameter) {
  parameter.merge = Merge::Append;
  return parameter;
}
constexpr Parameter remove(Parameter parameter) {
  parameter.merge = Merge::Remove;
  return parameter;
}
/// Always sent so; nobody types it.
constexpr Parameter fixed(std::string_view name, std::string_view json) {
  return {name, Kind::Fixed, {}, "always so", {}, json};
}
/// The key of what the command's first verb made.
constexpr Parameter made(std::string_view name) {
  return {name, Kind::Made, {}, "what was made", {}, {}};
}
/// A switch that stands for the login's project or user.
constexpr Parameter mine(std::string_view name, std::string_view flag, std::string_view whose,
                         std::string_view help) {
  return {name, Kind::Mine, flag, help, {}, whose};
}
/// What a command is about: a thing by name or id, in its place.
constexpr Parameter subject(std::string_view flag, std::string_view noun,
                            std::string_view name = "id") {
  return {name, Kind::Reference, flag, "name or id", noun, {}, true};
}
/// A text in its place.
constexpr Parameter word(std::string_view name, std::string_view flag, std::string_view help) {
  return {name, Kind::Text, flag, help, {}, {}, true};
}
constexpr Parameter limit() {
  return {"limit", Kind::Integer, "--limit", "at most that many"};
}
constexpr Parameter marker() {
  return {"marker", Kind::Text, "--marker", "those behind the one with this id"};
}

// ---- what verbs of several services take alike --------------------------------------------------

constexpr Parameter kNewName = text("name", "--name", "new name");
constexpr Parameter kNamed = text("name", "--name", "of this name");
constexpr Parameter kItsName = word("name", "NAME", "its name");
constexpr Parameter kProperties =
    of(Kind::Members, "", "--property", "KEY=VALUE (repeat for more)");
constexpr Parameter kGoneTag =
    text("tag", "--tag", "tag to take away (repeat for more)");
constexpr Parameter kDescription = text("description", "--description", "a text");
constexpr Parameter kOwner = ref("project_id", "--project", "projects", "project it belongs to");
constexpr Parameter kOwned = ref("project_id", "--project", "projects", "of this project");
constexpr Parameter kUp = set("admin_state_up", "--enable", "true", "carry traffic (the default)");
constexpr Parameter kDown = set("admin_state_up", "--disable", "false", "carry no traffic");
constexpr Parameter kShared = set("shared", "--share", "true", "for every project");
constexpr Parameter kUnshared = set("shared", "--no-share", "false", "for its project alone");
constexpr Parameter kOnlyShared =
    set("shared", "--share", "true", "only those for every project");
constexpr Parameter kOnlyUnshared =
    set("shared", "--no-share", "false", "only those for their project alone");
constexpr Parameter kListOfNamed[] = {kNamed, kOwned, limit(), marker()};
constexpr Parameter kHasTags = text("tags", "--tags", "with all of these tags, apart by commas");
constexpr Parameter kHasAnyTag = text("tags-any", "--any-tags", "with any of these tags");
constexpr Parameter kLacksTags = text("not-tags", "--not-tags", "without all of these tags");
constexpr Parameter kLacksAnyTag =
    text("not-tags-any", "--not-any-tags", "without any of these tags");
constexpr Parameter kListOfTagged[] = {kNamed,       kOwned,  kHasTags, kHasAnyTag, kLacksTags,
                                       kLacksAnyTag, limit(), marker()};
constexpr Parameter kOfCompute = set("", "--compute", "true", "of Compute");
constexpr Parameter kOfNetworks = set("", "--network", "true", "of Networking");
constexpr Parameter kImmutable = set("options", "--immutable", R"({"immutable": true})",
                                     "refuse changes and deletion until it is unset");
constexpr Parameter kMutable =
    set("options", "--no-immutable", R"({"immutable": false})", "allow changes again");
constexpr Parameter kPublic = set("visibility", "--public", "\"public\"", "for every project");
constexpr Parameter kPrivate = set("visibility", "--private", "\"private\"", "for this project");
constexpr Parameter kOnlyPublic =
    set("visibility", "--public", "\"public\"", "only public ones");
constexpr Parameter kOnlyPrivate =
    set("visibility", "--private", "\"private\"", "only private ones");
constexpr Parameter kProtected = set("protected", "--protected", "true", "refuse to delete it");
constexpr Parameter kUnprotected = set("protected", "--unprotected", "false", "let it be deleted");

constexpr Parameter kQuotaProject =
    ref("id", "PROJECT", "projects", "name or id [the project of the login]", "project");
constexpr Parameter kQuota[] = {kQuotaProject};
constexpr Parameter kQuotaDefault[] = {
    kQuotaProject, must(set("", "--default", "true", "what projects begin with"))};
constexpr Parameter kDryRun = set("dry_run", "--dry-run", "true", "only show what would go");
constexpr Parameter kKeepProject =
    set("keep_project", "--keep-project", "true", "leave the project itself");
constexpr Parameter kMadeBefore =
    text("created_before", "--created-before", "only what was made before this time (ISO 8601)");
constexpr Parameter kChangedBefore =
    text("updated_before", "--updated-before", "only what was changed before it (ISO 8601)");
constexpr Parameter kTimeout = number("timeout", "--timeout", "seconds to wait at most [600]");
constexpr Parameter kQuotasOfCompute[] = {must(kOfCompute)};
constexpr Parameter kQuotasOfNetworks[] = {must(kOfNetworks)};
constexpr Parameter kQuotaUsage[] = {kQuotaProject,
                                     must(set("", "--usage", "true", "with what is used of them"))};

}  // namespace table
}  // namespace cloudos::verbs
