#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/domain_configs.hpp"
#include "cloudos/oauth.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"

/// What is kept of domains' configurations and of consumers of OAuth.
namespace cloudos::identity {

/// One option as it is kept.
struct StoredOption {
  std::string group, name;
  DomainOption value;  ///< Nothing for a secret.
  std::string sealed;  ///< By CredentialKeys.
};

struct DomainConfigRecord {
  static constexpr std::string_view kKind = "domain_config";
  static constexpr std::uint32_t kSchema = 1;
  DomainId id;  ///< The domain's.
  std::uint64_t generation = 0;
  std::vector<StoredOption> options;  ///< By group and name; never none.
  std::string unknown;
};

struct OAuthConsumerRecord : OAuthConsumer {
  static constexpr std::string_view kKind = "consumer";
  static constexpr std::uint32_t kSchema = 1;
  std::string sealed_secret;  ///< By CredentialKeys; `secret` is not kept.
  std::string unknown;
};

void fields(codec::FieldVisitor& v, StoredOption& option);
void fields(codec::FieldVisitor& v, DomainConfigRecord& r);
void fields(codec::FieldVisitor& v, OAuthConsumerRecord& r);
void keys(records::Keys& k, const DomainConfigRecord& r);
void keys(records::Keys& k, const OAuthConsumerRecord& r);

}  // namespace cloudos::identity
