#include <fmt/format.h>

#include "config/key.hpp"
#include "shell.hpp"

// Manual pages in the macros of man(7), made from the table of commands.
namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

/// Text that groff takes for nothing else: no command, no escape, hyphens that can be typed.
std::string plain(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
    line_start = c == '\n';
  }
  return out;
}

std::string sentence(std::string_view help) {
  std::string text(help);
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  if (!text.empty() && text.back() != '.') text += '.';
  return plain(text);
}

std::string option_entry(const Option& option) {
  std::string head = has_place(option.flag) ? "\\fI" : "\\fB";
  if (option.shorthand) head = fmt::format("\\fB\\-{}\\fR, \\fB", option.shorthand);
  head += plain(option.flag) + "\\fR";
  if (!option.value.empty()) head += " \\fI" + plain(option.value) + "\\fR";
  return fmt::format(".TP\n{}\n{}\n", head, sentence(option.help));
}

std::string command_section(const Leaf& leaf) {
  std::string out = fmt::format(".SS \"{}\"\n{}\n.PP\n\\fBcloudos {}\\fR", plain(leaf.words),
                                sentence(leaf.help), plain(leaf.words));
  const auto options = own_options_of(leaf);
  bool more = false;
  for (const Option& option : options) {
    if (has_place(option.flag))
      out += option.required ? " \\fI" + plain(option.flag) + "\\fR"
                             : " [\\fI" + plain(option.flag) + "\\fR]";
    else if (option.required)
      out += fmt::format(" \\fB{}\\fR \\fI{}\\fR", plain(option.flag), plain(option.value));
    else
      more = true;
  }
  out += more ? " [\\fIoptions\\fR]\n" : "\n";
  for (const Option& option : options) {
    // Those of output and waiting are told once.
    const bool shared = option.flag == "--format" || option.flag == "--column" ||
                        option.flag == "--sort" || option.flag == "--long" ||
                        option.flag == "--wait" || option.flag == "--timeout";
    if (!shared) out += option_entry(option);
  }
  return out;
}

constexpr std::string_view kHead = R"(.SH NAME
cloudos \- the command line of a cloud
.SH SYNOPSIS
.B cloudos
.RI [ options ]
.I command
.RI [ arguments ]
.SH DESCRIPTION
.B cloudos
makes, shows, changes and deletes the things of a cloud: servers, images, networks, users and what
belongs to them. It speaks the OpenStack APIs over HTTP to any cloud that has them, or works on a
data folder in its own process (\fB\-\-local\fR).
.PP
A cloud is found by \fB\-\-os\-cloud\fR or \fBOS_CLOUD\fR in a \fIclouds.yaml\fR, or told by the
variables \fBOS_AUTH_URL\fR, \fBOS_USERNAME\fR, \fBOS_PASSWORD\fR and \fBOS_PROJECT_NAME\fR. Things
are named by their names or ids. Options may be shortened neither in name nor in place:
\fB\-\-name=x\fR and \fB\-\-name x\fR are the same, and \fB\-\-\fR ends them.
)";

constexpr std::string_view kTail = R"(.SH FILES
.TP
.I clouds.yaml
Clouds and logins, in the working directory, in \fI~/.config/openstack\fR or in
\fI/etc/openstack\fR; \fBOS_CLIENT_CONFIG_FILE\fR names another one.
.TP
.I ~/.cache/cloudos
Tokens of earlier logins, for their owner alone; \fB\-\-no\-cache\fR neither reads nor keeps them.
.SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
The cloud refused; the standard error says why.
.TP
.B 2
The command line makes no sense.
.TP
.B 3
No cloud was reached, or it refused the login.
.TP
.B 4
There is no such thing.
.SH SEE ALSO
.BR cloudosd (8)
)";

std::string cloudos_page() {
  std::string out = ".TH CLOUDOS 1 \"\" \"cloudos\" \"User Commands\"\n";
  out += kHead;
  out += ".SH OPTIONS\nOf every command:\n";
  for (const Option& option : global_options()) out += option_entry(option);
  out += ".PP\nOf commands that print, list, or wait:\n";
  for (const std::string_view words : {"server list", "server create"}) {
    const Leaf* leaf = find_leaf(words);
    if (!leaf) continue;
    for (const Option& option : own_options_of(*leaf)) {
      const bool lists = option.flag == "--format" || option.flag == "--column" ||
                         option.flag == "--sort" || option.flag == "--long";
      const bool waits = option.flag == "--wait" || option.flag == "--timeout";
      if (words == "server list" ? lists : waits) out += option_entry(option);
    }
  }
  out += ".SH COMMANDS\n";
  for (const Leaf& leaf : leaves())
    if (leaf.words != "complete-names") out += command_section(leaf);
  return out + std::string(kTail);
}

constexpr std::string_view kDaemonHead = R"(.TH CLOUDOSD 8 "" "cloudos" "System Administration"
.SH NAME
cloudosd \- a cloud with the OpenStack APIs, in one process and one folder
.SH SYNOPSIS
.B cloudosd
.B \-\-data\-dir
.I DIR
.RI [ options ]
.br
.B cloudosd
.B \-\-config
.I FILE
.RI [ options ]
.SH DESCRIPTION
.B cloudosd
serves identity, images, networks and servers over HTTP and keeps everything in one folder. One line
on the standard output says when it is ready; the administrator's \fIclouds.yaml\fR and \fIopenrc\fR
are then in the folder.
.PP
Every setting has a place in the configuration file, most have a flag, and all have a variable
\fBCLOUDOS_<SECTION>_<KEY>\fR. Flags weigh more than variables, those more than the file.
.SH OPTIONS
.TP
\fB\-\-config\fR \fIFILE\fR
The configuration file.
.TP
\fB\-\-simulated\fR
No guests and no devices: hypervisor and networks in memory.
.TP
\fB\-\-check\-config\fR
Says everything that is wrong with the configuration, and ends.
.TP
\fB\-\-show\-config\fR
Shows every value and where it is from, and ends.
.TP
\fB\-\-sample\-config\fR
Writes a commented file with every key, and ends.
)";

constexpr std::string_view kDaemonTail = R"(.SH SIGNALS
.TP
.B SIGHUP
Reads the configuration again and applies what can be applied; what cannot is logged.
.TP
.B SIGUSR1
Writes to the log what the cloud does and waits for.
.TP
.BR SIGTERM ", " SIGINT
Stop it; guests keep running and are found again at the next start.
.SH SEE ALSO
.BR cloudos (1)
)";

std::string key_entry(const cloudos::config::Key& key) {
  std::string text = fmt::format(".TP\n\\fB{}\\fR", plain(key.name));
  if (!key.flag.empty())
    text += fmt::format(" (\\fB{}\\fR{})", plain(key.flag),
                        key.word.empty() ? "" : " \\fI" + plain(key.word) + "\\fR");
  text += "\n" + sentence(key.help) + "\n";
  if (!key.fallback.empty()) text += "Default: " + plain(key.fallback) + ".\n";
  if (key.reload) text += "A reload applies it.\n";
  return text;
}

std::string cloudosd_page() {
  std::string out(kDaemonHead);
  out += ".SH CONFIGURATION\n";
  for (const auto& section : cloudos::config::sections()) {
    out += fmt::format(".SS \"[{}]\"\n{}\n", plain(section.name), sentence(section.help));
    for (const auto& key : cloudos::config::keys())
      if (key.section == section.name) out += key_entry(key);
  }
  return out + std::string(kDaemonTail);
}

}  // namespace

Result<std::string> man_page(const std::string& page) {
  if (page == "cloudos") return cloudos_page();
  if (page == "cloudosd") return cloudosd_page();
  return fail(ErrorCode::InvalidArgument, fmt::format("There is no manual page '{}'.", page));
}

}  // namespace cli
