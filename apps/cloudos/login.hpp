#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/result.hpp"

namespace cli {

/// Where the cloud is and who asks: by an application credential, by a token that is there, or by
/// user and password, whichever of them is given first.
struct Credentials {
  std::string auth_url;
  std::string application_credential_id, application_credential_name, application_credential_secret;
  std::string token;
  std::string username, user_id, password;
  std::string passcode;  ///< With the password, for those who have to give both.
  std::string user_domain_name, user_domain_id;
  std::string project_name, project_id;
  std::string project_domain_name, project_domain_id;
  std::string domain_name, domain_id;  ///< What the login is for when it is for no project.
  std::string system_scope;            ///< "all": for the whole cloud, and for no project.
  std::string region;
  std::string interface = "public";
  bool verify = true;
  std::string ca_file;
  std::string source;  ///< For errors: "cloud 'x' of /path/clouds.yaml", "the environment".

  bool by_application_credential() const { return !application_credential_secret.empty(); }
  /// What whoever knows it may log in by.
  const std::string& secret() const {
    if (by_application_credential()) return application_credential_secret;
    return token.empty() ? password : token;
  }
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// Finds the cloud: --os-cloud or OS_CLOUD names one of a clouds.yaml (OS_CLIENT_CONFIG_FILE, or
/// in the working directory, ~/.config/openstack, /etc/openstack), else OS_AUTH_URL and its
/// companions say it all, else the only cloud of the file. OS_* then override what a file says,
/// but for the login itself. Errors: InvalidArgument, with what to do.
cloudos::Result<Credentials> find_credentials(const std::string& wanted_cloud,
                                              const Environment& environment);

}  // namespace cli
