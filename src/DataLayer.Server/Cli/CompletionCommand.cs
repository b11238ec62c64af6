using System.CommandLine;

namespace DataLayer.Server.Cli;

/// <summary>
/// Verb completion: prints a script that asks the program itself (<c>datalayer "[suggest:N]" "LINE"</c>) what can
/// follow, so
/// completion never lags behind the verbs.
/// </summary>
internal static class CompletionCommand
{
    private const string Bash = """
        # datalayer completion for bash: eval "$(datalayer completion bash)"
        _datalayer() {
            local IFS=$'\n'
            local words="$("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)"
            COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _datalayer datalayer
        """;

    private const string Zsh = """
        #compdef datalayer
        # datalayer completion for zsh: datalayer completion zsh > "${fpath[1]}/_datalayer"
        _datalayer() {
            local -a suggestions
            suggestions=("${(@f)$(datalayer "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
            if (( ${#suggestions} )) && [[ -n "${suggestions[1]}" ]]; then
                compadd -a suggestions
            else
                _files
            fi
        }
        compdef _datalayer datalayer
        """;

    private const string Fish = """
        # datalayer completion for fish: datalayer completion fish > ~/.config/fish/completions/datalayer.fish
        function __datalayer_complete
            set -l line (commandline -cp)
            datalayer "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c datalayer -f -a '(__datalayer_complete)'
        """;

    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory)
    {
        Argument<string> shell = new("shell") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        return factory.Make(
            "completion", "Prints a shell's completion script.", [shell],
            (run, _) =>
            {
                run.Environment.Out.WriteLine(
                    run.Arguments.GetValue(shell) switch
                    {
                        "zsh" => Zsh,
                        "fish" => Fish,
                        _ => Bash,
                    });
                return Task.FromResult(ExitCode.Success);
            });
    }
}
