using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Cli;

/// <summary>The options that describe the file and the moment of <c>policy test</c>.</summary>
internal sealed class PolicyFacts
{
    private readonly Option<string> _path = new("--path")
    {
        Description = "The file's path in the tree; it need not be there.",
        HelpName = "P",
        Required = true,
    };

    private readonly Option<string?> _size = Text("--size", "Its length: 10MiB. Default: 0.", "N");
    private readonly Option<string?> _age = Text(
        "--age", "Time since its content changed: 30d. Default: as --idle, else 0s.", "T");

    private readonly Option<string?> _idle = Text("--idle", "Time since its last use: 7d. Default: as --age.", "T");
    private readonly Option<double?> _heat = new("--heat") { Description = "Its heat. Default: 0.", HelpName = "H" };
    private readonly Option<int?> _owner = new("--owner") { Description = "Its owner, a user id. Default: 0." };
    private readonly Option<string?> _tenant = Text("--tenant", "Its tenant.", "NAME");
    private readonly Option<string?> _dataset = Text("--dataset", "Its dataset.", "NAME");
    private readonly Option<string?> _storageClass = Text("--storage-class", "Its object's storage class.", "CLASS");
    private readonly Option<string?> _pool = Text("--pool", "Its pool. Default: default.", "NAME");

    private readonly Option<TierState?> _state = new("--state")
    {
        Description = "hot, premigrated, released or recalling. Default: hot.",
        CustomParser = ParseState,
        HelpName = "S",
    };

    private readonly Option<string?> _now = Text(
        "--now", "The time to decide for: 2026-03-04T12:00Z. Default: now.", "TIME");

    private readonly Option<string[]> _fill = new("--fill")
    {
        Description = "The fill of a pool: default=90%. May be given several times.",
        HelpName = "POOL=N%",
    };

    /// <summary>The options.</summary>
    public IEnumerable<Symbol> Symbols =>
        [
            _path, _size, _age, _idle, _heat, _state, _owner, _tenant, _dataset, _storageClass, _pool, _now, _fill,
        ];

    /// <summary>What was given, as the API's question.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: a value is none.</exception>
    public ExplainPolicyCommand ToCommand(ParseResult arguments, TimeProvider time)
    {
        string path = arguments.GetValue(_path)!;
        TreePath.Check(path);
        double? givenAge = Seconds(arguments.GetValue(_age), "--age");
        double? givenIdle = Seconds(arguments.GetValue(_idle), "--idle");
        double age = givenAge ?? givenIdle ?? 0;
        return new ExplainPolicyCommand
        {
            Path = path,
            SizeBytes = Size(arguments.GetValue(_size)),
            AgeSeconds = age,
            IdleSeconds = givenIdle ?? age,
            Heat = arguments.GetValue(_heat),
            State = arguments.GetValue(_state) ?? TierState.Hot,
            OwnerId = arguments.GetValue(_owner),
            Tenant = arguments.GetValue(_tenant),
            Dataset = arguments.GetValue(_dataset),
            StorageClass = arguments.GetValue(_storageClass),
            Pool = arguments.GetValue(_pool) ?? "default",
            NowNanoseconds = UnixTime.ToNanoseconds(Now(arguments.GetValue(_now), time)),
            PoolFill = Fill(arguments.GetValue(_fill) ?? []),
        };
    }

    private static Option<string?> Text(string name, string description, string help) =>
        new(name) { Description = description, HelpName = help };

    private static long? Size(string? text) =>
        text is null ? null
        : UnitText.TryParseSize(text, out long bytes) ? bytes
        : throw Wrong("--size", text, "10MiB");

    private static double? Seconds(string? text, string option) =>
        text is null ? null
        : UnitText.TryParseDuration(text, out TimeSpan duration) ? duration.TotalSeconds
        : throw Wrong(option, text, "30d");

    private static DateTimeOffset Now(string? text, TimeProvider time) =>
        text is null ? time.GetUtcNow()
        : DateTimeOffset.TryParse(
            text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset now)
            && now.Year is >= 1970 and < 2260
            ? now
        : throw Wrong("--now", text, "2026-03-04T12:00Z");

    private static Dictionary<string, double> Fill(string[] given)
    {
        Dictionary<string, double> fill = new(StringComparer.Ordinal);
        foreach (string text in given)
        {
            int equals = text.LastIndexOf('=');
            if (equals <= 0 || !text.EndsWith('%')
                || !double.TryParse(
                    text.AsSpan()[(equals + 1)..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture,
                    out double percent))
            {
                throw Wrong("--fill", text, "default=90%");
            }

            fill[text[..equals]] = percent / 100;
        }

        return fill;
    }

    private static TierState? ParseState(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (Enum.TryParse(text, ignoreCase: true, out TierState state) && Enum.IsDefined(state))
        {
            return state;
        }

        result.AddError($"'{text}' is no state: hot, premigrated, released or recalling.");
        return null;
    }

    private static DataLayerException Wrong(string option, string text, string example) =>
        new(ErrorCode.InvalidArgument, $"{option} is '{text}': write {option} {example}.");
}
