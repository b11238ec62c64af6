using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Server.Configuration;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb config: show, check, schema.</summary>
internal static class ConfigCommands
{
    private static readonly JsonSerializerOptions _indented = new() { WriteIndented = true };

    /// <summary>Makes the commands.</summary>
    public static Command Make(CommandFactory factory)
    {
        Option<string?> config = FileOption();
        Command show = MakeShow(factory, config);
        Command check = factory.Make(
            "check",
            "Reports everything wrong with the configuration at once.",
            [config],
            (run, _) =>
            {
                ConfigurationResult result = Read(run.Arguments.GetValue(config), run.Environment);
                int status = Complain(result, run.Environment, run.Json);
                if (status == ExitCode.Success && !run.Json)
                {
                    run.Environment.Out.WriteLine("The configuration is good.");
                }

                return Task.FromResult(status);
            }
        );
        Command schema = factory.Make(
            "schema", "Prints the configuration's JSON Schema, for editors.", [],
            (run, _) =>
            {
                ConfigurationResult defaults = ServerConfigurationReader.ReadText(
                    string.Empty, "defaults", new Dictionary<string, string>(StringComparer.Ordinal));
                run.Environment.Out.WriteLine(
                    ConfigurationSchema.Make(defaults.Reading.Settings).ToJsonString(_indented));
                return Task.FromResult(ExitCode.Success);
            });
        return CommandFactory.Group("config", "The configuration: show, check, schema.", [show, check, schema]);
    }

    /// <summary>The option with the file.</summary>
    public static Option<string?> FileOption() =>
        new("--config", "-c")
        {
            Description = "The configuration file, YAML or JSON. Default: $DATALAYER_CONFIG, else built-in defaults.",
            HelpName = "FILE",
        };

    /// <summary>Reads the configuration of a service or throws with everything that is wrong.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: one line a problem.</exception>
    public static ServerConfiguration Load(string? file, CliEnvironment environment)
    {
        ConfigurationResult result = Read(file, environment);
        return result.Configuration
            ?? throw new DataLayerException(
                ErrorCode.InvalidArgument,
                "The configuration is wrong:"
            + string.Concat(result.Reading.Problems.Select(p => Environment.NewLine + "  " + p))
            );
    }

    /// <summary>One setting in effect, also where others are wrong.</summary>
    public static string? Find(string? file, CliEnvironment environment, string path) =>
        Read(file, environment).Reading.Effective.Find(s => s.Path == path)?.Value;

    private static Command MakeShow(CommandFactory factory, Option<string?> config)
    {
        return factory.Make(
            "show",
            "Prints every setting in effect and where it comes from.",
            [config],
            (run, _) =>
            {
                ConfigurationResult result = Read(run.Arguments.GetValue(config), run.Environment);
                if (run.Json)
                {
                    JsonObject settings = [];
                    foreach (EffectiveSetting setting in result.Reading.Effective)
                    {
                        settings[setting.Path] = new JsonObject
                        {
                            ["value"] = setting.Value,
                            ["origin"] = setting.Origin.ToString(),
                        };
                    }

                    run.Environment.Out.WriteLine(settings.ToJsonString());
                }
                else
                {
                    Table table = Show.Columns("setting", "value", "from");
                    foreach (EffectiveSetting setting in result.Reading.Effective)
                    {
                        table.Row(
                            setting.Path, setting.Value.Length == 0 ? "-" : setting.Value, setting.Origin.ToString());
                    }

                    run.Out.Write(table);
                }

                return Task.FromResult(Complain(result, run.Environment, run.Json));
            }
        );
    }

    /// <summary>The configuration's file: what is given, else what the environment names, else null.</summary>
    public static string? FileOf(string? file, CliEnvironment environment)
    {
        string? variable = environment.Variables["DATALAYER_CONFIG"] as string;
        return !string.IsNullOrEmpty(file) ? file
            : !string.IsNullOrEmpty(variable) ? variable
            : null;
    }

    /// <summary>Reads a configuration with all that is wrong with it.</summary>
    public static ConfigurationResult Read(string? file, CliEnvironment environment) =>
        ServerConfigurationReader.Read(FileOf(file, environment), environment.Variables);

    private static int Complain(ConfigurationResult result, CliEnvironment environment, bool json)
    {
        foreach (ConfigurationProblem problem in result.Reading.Problems)
        {
            environment.Error.WriteLine(
                !json
                    ? problem.ToString()
                    : new JsonObject
                    {
                        ["source"] = problem.Origin.Source,
                        ["line"] = problem.Origin.Line,
                        ["column"] = problem.Origin.Column,
                        ["key"] = problem.Key,
                        ["message"] = problem.Message,
                        ["remedy"] = problem.Remedy,
                    }.ToJsonString());
        }

        return result.Reading.Problems.Count == 0 ? ExitCode.Success : ExitCode.Usage;
    }
}
