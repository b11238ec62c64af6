using System.CommandLine;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Cli;

/// <summary>What <c>datalayer attach</c> takes.</summary>
internal sealed class AttachArguments
{
    private readonly Argument<string?> _path = new("path")
    {
        Description = "The tree's folder; made if absent.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string> _store = new("--store")
    {
        Description = "The configured object store.",
        DefaultValueFactory = _ => "default",
    };

    private readonly Option<string> _mode = new("--mode")
    {
        Description = "readOnly, or readWrite: changes in the tree reach the bucket.",
        DefaultValueFactory = _ => "readOnly",
    };

    private readonly Option<string> _freshness = new("--freshness")
    {
        Description = "When objects are checked again.",
        DefaultValueFactory = _ => "immutable",
    };

    private readonly Option<string> _maxAge = new("--max-age")
    {
        Description = "With --freshness maxAge: how old a check may be.",
        DefaultValueFactory = _ => "60s",
    };

    private readonly Option<string> _flush = new("--flush")
    {
        Description = "writeBack: uploads follow; writeThrough: writes wait for them.",
        DefaultValueFactory = _ => "writeBack",
    };

    private readonly Option<bool> _encrypt = new("--encrypt")
    {
        Description = "Encrypt what of it lies in the hot tier and in the spill; detaching erases the key.",
    };

    /// <summary>Makes the arguments.</summary>
    public AttachArguments()
    {
        _mode.AcceptOnlyFromAmong("readOnly", "readWrite");
        _freshness.AcceptOnlyFromAmong("immutable", "maxAge", "always");
        _flush.AcceptOnlyFromAmong("writeBack", "writeThrough");
    }

    /// <summary>What to attach; none asks for the list.</summary>
    public Argument<string?> Source { get; } = new("source")
    {
        Description = "s3://bucket/prefix or file:///folder. None: list the attachments.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    /// <summary>All of them, in order.</summary>
    public IEnumerable<Symbol> Symbols => [Source, _path, _store, _mode, _freshness, _maxAge, _flush, _encrypt];

    /// <summary>The command for the service.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: no path, or a malformed duration.</exception>
    public AttachCommand ToCommand(CommandRun run, string source)
    {
        string path = run.Arguments.GetValue(_path) ?? throw new DataLayerException(
            ErrorCode.InvalidArgument, "Give the tree's folder after the source: datalayer attach SOURCE PATH.");
        string maxAge = run.Arguments.GetValue(_maxAge)!;
        if (!UnitText.TryParseDuration(maxAge, out TimeSpan age))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"--max-age '{maxAge}' is not a duration, as 30s or 5m.");
        }

        return new AttachCommand
        {
            Source = source,
            Path = path,
            Store = run.Arguments.GetValue(_store)!,
            Mode = Enum.Parse<AttachmentMode>(run.Arguments.GetValue(_mode)!, ignoreCase: true),
            Freshness = Enum.Parse<FreshnessMode>(run.Arguments.GetValue(_freshness)!, ignoreCase: true),
            MaxAgeSeconds = age.TotalSeconds,
            Flush = Enum.Parse<FlushMode>(run.Arguments.GetValue(_flush)!, ignoreCase: true),
            Encrypt = run.Arguments.GetValue(_encrypt),
        };
    }
}
