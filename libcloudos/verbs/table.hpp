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
constexpr Parameter kDescription = text("description", "--description", "a text");
constexpr Parameter kOwner = ref("project_id", "--project", "projects", "project it belongs to");
constexpr Parameter kOwned = ref("project_id", "--project", "projects", "of this project");
constexpr Parameter kUp = set("admin_state_up", "--enable", "true", "carry traffic (the default)");
constexpr Parameter kDown = set("admin_state_up", "--disable", "false", "carry no traffic");
constexpr Parameter kShared = set("shared", "--share", "true", "for every project");
constexpr Parameter kUnshared = set("shared", "--no-share", "false", "for its project alone");
constexpr Parameter kListOfNamed[] = {kNamed, kOwned, limit(), marker()};
constexpr Parameter kAlias[] = {must(text("alias", {}, "its alias"))};

constexpr Parameter kQuotaProject =
    ref("id", "PROJECT", "projects", "name or id [the project of the login]", "project");
constexpr Parameter kQuota[] = {kQuotaProject};
constexpr Parameter kQuotaDefault[] = {
    kQuotaProject, must(set("", "--default", "true", "what projects begin with"))};
constexpr Parameter kQuotaUsage[] = {kQuotaProject,
                                     must(set("", "--usage", "true", "with what is used of them"))};

}  // namespace table
}  // namespace cloudos::verbs
