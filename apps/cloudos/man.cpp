#include <fmt/format.h>

#include "config/settings.hpp"
#include "shell.hpp"
#include "speech.hpp"

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
  return fmt::format(".TP\n{}\n{}\n", head, sentence(tr(option.help)));
}

std::string command_section(const Leaf& leaf) {
  std::string out = fmt::format(".SS \"{}\"\n{}\n.PP\n\\fBcloudos {}\\fR", plain(leaf.words),
                                sentence(tr(leaf.help)), plain(leaf.words));
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
  out += more ? " [\\fI" + tr("options") + "\\fR]\n" : "\n";
  for (const Option& option : options) {
    // Those of output and waiting are told once.
    const bool shared = option.flag == "--format" || option.flag == "--column" ||
                        option.flag.starts_with("--sort") || option.flag == "--long" ||
                        option.flag == "--wait" || option.flag == "--timeout";
    if (!shared) out += option_entry(option);
  }
  return out;
}

/// Text of ours with the macros of a page in it.
struct Page {
  std::string out;
  void heading(const std::string& title) { out += ".SH " + title + "\n"; }
  void text(const std::string& words) { out += words + "\n"; }
  void paragraph(const std::string& words) { out += ".PP\n" + words + "\n"; }
  void entry(std::string_view head, const std::string& words) {
    out += fmt::format(".TP\n{}\n{}\n", head, words);
  }
};

void cloudos_head(Page& page) {
  page.heading(tr("NAME"));
  page.text("cloudos \\- " + tr("the command line of a cloud"));
  page.heading(tr("SYNOPSIS"));
  page.text(tr("\\fBcloudos\\fR [\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]"));
  page.heading(tr("DESCRIPTION"));
  page.text(
      tr("\\fBcloudos\\fR makes, shows, changes and deletes the things of a cloud: servers, images, "
         "networks, users and what belongs to them. It speaks the OpenStack APIs over HTTP to any "
         "cloud that has them, or works on a data folder in its own process "
         "(\\fB\\-\\-local\\fR)."));
  page.paragraph(
      tr("A cloud is found by \\fB\\-\\-os\\-cloud\\fR or \\fBOS_CLOUD\\fR in a "
         "\\fIclouds.yaml\\fR, or told by the variables \\fBOS_AUTH_URL\\fR, \\fBOS_USERNAME\\fR, "
         "\\fBOS_PASSWORD\\fR and \\fBOS_PROJECT_NAME\\fR. Things are named by their names or ids. "
         "Options may be shortened neither in name nor in place: \\fB\\-\\-name=x\\fR and "
         "\\fB\\-\\-name x\\fR are the same, and \\fB\\-\\-\\fR ends them."));
}

void cloudos_tail(Page& page) {
  page.heading(tr("FILES"));
  page.entry("\\fIclouds.yaml\\fR",
             tr("Clouds and logins, in the working directory, in \\fI~/.config/openstack\\fR or in "
                "\\fI/etc/openstack\\fR; \\fBOS_CLIENT_CONFIG_FILE\\fR names another one."));
  page.entry("\\fI~/.cache/cloudos\\fR",
             tr("Tokens of earlier logins, for their owner alone; \\fB\\-\\-no\\-cache\\fR neither "
                "reads nor keeps them."));
  page.heading(tr("EXIT STATUS"));
  page.entry("\\fB0\\fR", tr("Done."));
  page.entry("\\fB1\\fR", tr("The cloud refused; the standard error says why."));
  page.entry("\\fB2\\fR", tr("The command line makes no sense."));
  page.entry("\\fB3\\fR", tr("No cloud was reached, or it refused the login."));
  page.entry("\\fB4\\fR", tr("There is no such thing."));
  page.heading(tr("SEE ALSO"));
  page.text("\\fBcloudosd\\fR(8)");
}

std::string cloudos_page() {
  Page page{".TH CLOUDOS 1 \"\" \"cloudos\" \"" + tr("User Commands") + "\"\n"};
  cloudos_head(page);
  page.heading(tr("OPTIONS"));
  page.text(tr("Of every command:"));
  for (const Option& option : global_options()) page.out += option_entry(option);
  page.paragraph(tr("Of commands that print, list, or wait:"));
  for (const std::string_view words : {"server list", "server create"}) {
    const Leaf* leaf = find_leaf(words);
    if (!leaf) continue;
    for (const Option& option : own_options_of(*leaf)) {
      const bool lists = option.flag == "--format" || option.flag == "--column" ||
                         option.flag.starts_with("--sort") || option.flag == "--long";
      const bool waits = option.flag == "--wait" || option.flag == "--timeout";
      if (words == "server list" ? lists : waits) page.out += option_entry(option);
    }
  }
  page.heading(tr("COMMANDS"));
  for (const Leaf& leaf : leaves())
    if (leaf.words != "complete-names") page.out += command_section(leaf);
  cloudos_tail(page);
  return page.out;
}

void cloudosd_head(Page& page) {
  page.heading(tr("NAME"));
  page.text("cloudosd \\- " +
            tr("a cloud with the OpenStack APIs, in one process and one folder"));
  page.heading(tr("SYNOPSIS"));
  page.text(tr("\\fBcloudosd\\fR \\fB\\-\\-data\\-dir\\fR \\fIDIR\\fR [\\fIoptions\\fR]"));
  page.text(".br");
  page.text(tr("\\fBcloudosd\\fR \\fB\\-\\-config\\fR \\fIFILE\\fR [\\fIoptions\\fR]"));
  page.heading(tr("DESCRIPTION"));
  page.text(
      tr("\\fBcloudosd\\fR serves identity, images, networks and servers over HTTP and keeps "
         "everything in one folder. One line on the standard output says when it is ready; the "
         "administrator's \\fIclouds.yaml\\fR and \\fIopenrc\\fR are then in the folder."));
  page.paragraph(
      tr("Every setting has a place in the configuration file, most have a flag, and all have a "
         "variable \\fBCLOUDOS_<SECTION>_<KEY>\\fR. Flags weigh more than variables, those more "
         "than the file."));
  page.heading(tr("OPTIONS"));
  page.entry("\\fB\\-\\-config\\fR \\fIFILE\\fR", tr("The configuration file."));
  page.entry("\\fB\\-\\-simulated\\fR",
             tr("No guests and no devices: hypervisor and networks in memory."));
  page.entry("\\fB\\-\\-check\\-config\\fR",
             tr("Says everything that is wrong with the configuration, and ends."));
  page.entry("\\fB\\-\\-show\\-config\\fR", tr("Shows every value and where it is from, and ends."));
  page.entry("\\fB\\-\\-sample\\-config\\fR",
             tr("Writes a commented file with every key, and ends."));
}

void cloudosd_tail(Page& page) {
  page.heading(tr("SIGNALS"));
  page.entry("\\fBSIGHUP\\fR",
             tr("Reads the configuration again and applies what can be applied; what cannot is "
                "logged."));
  page.entry("\\fBSIGUSR1\\fR", tr("Writes to the log what the cloud does and waits for."));
  page.entry("\\fBSIGTERM\\fR, \\fBSIGINT\\fR",
             tr("Stop it; guests keep running and are found again at the next start."));
  page.heading(tr("FILES"));
  page.entry("\\fI/etc/cloudos/cloudos.conf\\fR",
             tr("The configuration, when it is there and \\fB\\-\\-config\\fR names no other file."));
  page.entry("\\fIDIR/clouds.yaml\\fR, \\fIDIR/openrc\\fR",
             tr("How the administrator logs in, for clients and for shells."));
  page.heading(tr("EXIT STATUS"));
  page.entry("0", tr("It was stopped, or did what was asked."));
  page.entry("1", tr("It could not start; the standard error says why."));
  page.entry("2", tr("The configuration or the command line has errors."));
  page.heading(tr("SEE ALSO"));
  page.text("\\fBcloudos\\fR(1)");
}

std::string key_entry(const cloudos::config::Key& key) {
  std::string text = fmt::format(".TP\n\\fB{}\\fR", plain(key.name));
  if (!key.flag.empty())
    text += fmt::format(" (\\fB{}\\fR{})", plain(key.flag),
                        key.word.empty() ? "" : " \\fI" + plain(key.word) + "\\fR");
  const std::string help = tr(key.help);
  text += "\n" + (cloudos::config::begins_with_value(key) ? plain(help) + "." : sentence(help)) + "\n";
  if (!key.choices.empty()) text += tr(fmt::format("One of {}.", plain(key.choices))) + "\n";
  if (!key.fallback.empty()) text += tr(fmt::format("Default: {}.", plain(key.fallback))) + "\n";
  if (key.reload) text += tr("A reload applies it.") + "\n";
  return text;
}

std::string cloudosd_page() {
  Page page{".TH CLOUDOSD 8 \"\" \"cloudos\" \"" + tr("System Administration") + "\"\n"};
  cloudosd_head(page);
  page.heading(tr("CONFIGURATION"));
  for (const auto& section : cloudos::config::sections()) {
    page.out += fmt::format(".SS \"[{}]\"\n{}\n", plain(section.name), sentence(tr(section.help)));
    for (const auto& key : cloudos::config::keys())
      if (key.section == section.name) page.out += key_entry(key);
  }
  cloudosd_tail(page);
  return page.out;
}

}  // namespace

Result<std::string> man_page(const std::string& page) {
  if (page == "cloudos") return cloudos_page();
  if (page == "cloudosd") return cloudosd_page();
  return fail(ErrorCode::InvalidArgument, fmt::format("There is no manual page '{}'.", page));
}

}  // namespace cli
