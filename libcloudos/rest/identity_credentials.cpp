#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cloudos/credentials.hpp"
#include "rest/identity_handlers.hpp"
#include "rest/target.hpp"

/// /credentials, OS-EC2, /ec2tokens and /s3tokens.
namespace cloudos::rest::identity_v3 {
namespace {

bool is_ec2_type(std::string_view type) {
  return equals_ignore_case(type, "ec2");
}

/// The blob as it is shown: an EC2 key's says what the key is now, and what it rests on.
std::string shown_blob(const Credential& credential) {
  if (credential.ec2.access.empty()) return credential.blob;
  nlohmann::json blob = nlohmann::json::parse(credential.blob, nullptr, false);
  if (!blob.is_object()) blob = nlohmann::json::object();
  const auto say = [&](const char* name, const std::string& value) {
    if (value.empty())
      blob.erase(name);
    else
      blob[name] = value;
  };
  say("access", credential.ec2.access);
  say("secret", credential.ec2.secret);
  say("trust_id", credential.trust.value);
  say("app_cred_id", credential.application_credential.value);
  return blob.dump();
}

void write_credential(JsonWriter& w, const Credential& credential, std::string_view service_url) {
  w.open().member("id", credential.id).member("type", credential.type);
  w.member("blob", shown_blob(credential)).member("user_id", credential.user);
  w.member_or_null("project_id", credential.project.value);
  for (const auto& [name, json] : credential.extra) w.key(name).literal(json);
  write_self(w, service_url, "credentials", credential.id.value);
  w.close();
}

void write_ec2(JsonWriter& w, const Credential& credential, std::string_view service_url) {
  w.open().member("access", credential.ec2.access).member("secret", credential.ec2.secret);
  w.member("user_id", credential.user).member("tenant_id", credential.project);
  w.member_or_null("trust_id", credential.trust.value);
  if (!credential.application_credential.empty())
    w.member("app_cred_id", credential.application_credential);
  write_self(w, service_url,
             fmt::format("users/{}/credentials/OS-EC2", percent_encode(credential.user.value)),
             credential.ec2.access);
  w.close();
}

const std::vector<std::string_view>& credential_members() {
  static const std::vector<std::string_view> kKnown = {"type", "blob", "user_id", "project_id"};
  return kKnown;
}

Result<Ec2Key> read_ec2_key(std::string_view blob) {
  const auto parsed = parse_json(blob);
  if (!parsed || !parsed->is_object()) {
    return fail(ErrorCode::InvalidArgument,
                "credential.blob: of type ec2 it must be a JSON object with access and secret");
  }
  const Members in(*parsed, "credential.blob");
  Ec2Key key;
  CLOUDOS_TRY(key.access, in.text("access"));
  CLOUDOS_TRY(key.secret, in.text("secret"));
  return key;
}

CredentialId path_credential(const Call& call) {
  return CredentialId{call.path("credential_id")};
}
UserId path_owner(const Call& call) {
  return UserId{call.path("user_id")};
}

/// Texts by name; numbers and booleans as they are written.
Result<std::map<std::string, std::string>> read_signed_map(const Members& in,
                                                           std::string_view name) {
  std::map<std::string, std::string> texts;
  CLOUDOS_TRY(const nlohmann::json* object, in.maybe_object(name));
  if (object == nullptr) return texts;
  for (const auto& [key, value] : object->items()) {
    if (value.is_structured())
      return fail(ErrorCode::InvalidArgument, in.where(name) + " must hold texts only");
    texts[key] = value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
  }
  return texts;
}

/// Services say it under any of these names.
Result<const nlohmann::json*> signed_credentials(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  for (const char* name : {"credentials", "credential", "ec2Credentials"}) {
    const auto found = body->find(name);
    if (found != body->end() && found->is_object()) return &*found;
  }
  return fail(ErrorCode::InvalidArgument, "the body must hold the object credentials");
}

Result<SignedRequest> read_signed(const Members& in) {
  SignedRequest request;
  CLOUDOS_TRY(const auto access, in.maybe_text("access"));
  CLOUDOS_TRY(const auto signature, in.maybe_text("signature"));
  request.access = access.value_or("");
  request.signature = signature.value_or("");
  if (request.access.empty() || request.signature.empty())
    return fail(ErrorCode::Unauthenticated, "access and signature must both be shown");
  return request;
}

}  // namespace

Result<Response> create_credential(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("credential"));
  const Members in(*body, "credential");
  CredentialCreate spec;
  CLOUDOS_TRY(spec.type, in.text("type"));
  CLOUDOS_TRY(spec.blob, in.text("blob"));
  CLOUDOS_TRY(spec.user, in.id<UserId>("user_id"));
  CLOUDOS_TRY(const auto project, in.maybe_id<ProjectId>("project_id"));
  if (project) spec.project = *project;
  if (is_ec2_type(spec.type)) {
    CLOUDOS_TRY(spec.ec2, read_ec2_key(spec.blob));
  }
  CLOUDOS_TRY(spec.extra, read_extra(*body, credential_members()));
  CLOUDOS_TRY(const auto made, call.cloud.identity().credentials().create(call.ctx, spec));
  return one_reply("credential", made, call, write_credential, 201);
}

Result<Response> list_credentials(Call& call) {
  CredentialFilter filter;
  CLOUDOS_TRY(auto page, call.page(SIZE_MAX));
  filter.marker = std::move(page.marker);
  filter.limit = page.limit;
  if (const auto user = call.query("user_id")) filter.user = UserId{std::string(*user)};
  if (const auto type = call.query("type")) filter.type = std::string(*type);
  CLOUDOS_TRY(const auto all, call.cloud.identity().credentials().list(call.ctx, filter));
  return list_reply("credentials", all, call, write_credential);
}

Result<Response> show_credential(Call& call) {
  CLOUDOS_TRY(const auto one,
              call.cloud.identity().credentials().get(call.ctx, path_credential(call)));
  return one_reply("credential", one, call, write_credential);
}

Result<Response> update_credential(Call& call) {
  Credentials& credentials = call.cloud.identity().credentials();
  CLOUDOS_TRY(const auto before, credentials.get(call.ctx, path_credential(call)));
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("credential"));
  const Members in(*body, "credential");
  CLOUDOS_CHECK(read_unchanged(in, "id", before.id.value));
  CredentialUpdate with;
  CLOUDOS_TRY(with.type, in.maybe_text("type"));
  CLOUDOS_TRY(with.blob, in.maybe_text("blob"));
  CLOUDOS_TRY(with.user, in.maybe_id<UserId>("user_id"));
  CLOUDOS_TRY(with.project, in.maybe_id<ProjectId>("project_id"));
  if (with.blob && is_ec2_type(with.type.value_or(before.type))) {
    CLOUDOS_TRY(with.ec2, read_ec2_key(*with.blob));
  }
  CLOUDOS_TRY(with.extra, read_extra_changes(*body, credential_members()));
  CLOUDOS_TRY(const auto after, credentials.update(call.ctx, before.id, with));
  return one_reply("credential", after, call, write_credential);
}

Result<Response> delete_credential(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().credentials().remove(call.ctx, path_credential(call)));
  return empty_response(204);
}

Result<Response> create_ec2_credential(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const Members in(*body, "");
  CLOUDOS_TRY(auto project, in.maybe_id<ProjectId>("tenant_id"));
  if (!project) {
    CLOUDOS_TRY(project, in.maybe_id<ProjectId>("project_id"));
  }
  if (!project || project->empty())
    return fail(ErrorCode::InvalidArgument, "tenant_id must name the project of the key");
  CLOUDOS_TRY(const auto made,
              call.cloud.identity().credentials().create_ec2(call.ctx, path_owner(call), *project));
  return one_reply("credential", made, call, write_ec2, 201);
}

Result<Response> list_ec2_credentials(Call& call) {
  CLOUDOS_TRY(const auto all,
              call.cloud.identity().credentials().list_ec2(call.ctx, path_owner(call)));
  return list_reply("credentials", all, call, write_ec2);
}

Result<Response> show_ec2_credential(Call& call) {
  CLOUDOS_TRY(const auto one, call.cloud.identity().credentials().get_ec2(
                                  call.ctx, path_owner(call), call.path("credential_id")));
  return one_reply("credential", one, call, write_ec2);
}

Result<Response> delete_ec2_credential(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().credentials().remove_ec2(call.ctx, path_owner(call),
                                                               call.path("credential_id")));
  return empty_response(204);
}

Result<Response> ec2_tokens(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* given, signed_credentials(call));
  const Members in(*given, "credentials");
  CLOUDOS_TRY(SignedRequest request, read_signed(in));
  for (const auto& [name, member] : {std::pair("host", &SignedRequest::host),
                                     {"verb", &SignedRequest::verb},
                                     {"path", &SignedRequest::path},
                                     {"body_hash", &SignedRequest::body_hash}}) {
    CLOUDOS_TRY(auto text, in.maybe_text(name));
    request.*member = text.value_or("");
  }
  CLOUDOS_TRY(request.params, read_signed_map(in, "params"));
  CLOUDOS_TRY(request.headers, read_signed_map(in, "headers"));
  CLOUDOS_TRY(auto token, call.cloud.identity().credentials().token_for_ec2(call.ctx, request));
  return token_answer(200, ValidToken(std::move(token)), call);
}

Result<Response> s3_tokens(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* given, signed_credentials(call));
  const Members in(*given, "credentials");
  CLOUDOS_TRY(SignedRequest request, read_signed(in));
  CLOUDOS_TRY(const auto text, in.text("token"));
  const auto plain = from_base64(text, true), standard = from_base64(text);
  if (!plain && !standard)
    return fail(ErrorCode::InvalidArgument, "credentials.token must be base64");
  request.string_to_sign = plain ? *plain : *standard;
  CLOUDOS_TRY(auto token, call.cloud.identity().credentials().token_for_s3(call.ctx, request));
  return token_answer(200, ValidToken(std::move(token)), call);
}

namespace {

Response credential_keys_reply(int status, const std::vector<CredentialKey>& keys) {
  JsonWriter w;
  w.open().key("credential_keys").open_list();
  for (const CredentialKey& key : keys) {
    w.open().member("id", key.id).member("role", key.seals ? "primary" : "secondary");
    w.member("secrets", key.secrets).close();
  }
  w.close_list().close();
  return json_response(status, std::move(w).take());
}

}  // namespace

Result<Response> list_credential_keys(Call& call) {
  CLOUDOS_TRY(const auto keys, call.cloud.identity().credentials().keys(call.ctx));
  return credential_keys_reply(200, keys);
}

Result<Response> rotate_credential_keys(Call& call) {
  CLOUDOS_TRY(const auto keys, call.cloud.identity().credentials().rotate_keys(call.ctx));
  return credential_keys_reply(201, keys);
}

}  // namespace cloudos::rest::identity_v3
