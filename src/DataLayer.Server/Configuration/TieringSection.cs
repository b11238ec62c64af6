using System.Globalization;
using DataLayer.Engine.Tiering.Automation;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Engine.Tiering.Planning;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>tiering</c>, validated.</summary>
internal sealed record TieringConfiguration
{
    /// <summary>The prices in force.</summary>
    public required PriceTable Prices { get; init; }

    /// <summary>How long a plan may be applied.</summary>
    public TimeSpan PlanValidity { get; init; }

    /// <summary>How far ahead a plan forecasts use.</summary>
    public TimeSpan PlanHorizon { get; init; }

    /// <summary>How long after its end a job of moves may be undone.</summary>
    public TimeSpan UndoWindow { get; init; }

    /// <summary>Warm-ups before recurring uses.</summary>
    public required LearnedWarmOptions Learned { get; init; }

    /// <summary>Automatic tiering.</summary>
    public required AutoTieringOptions Auto { get; init; }

    /// <summary>How small files are packed.</summary>
    public required PackOptions Packs { get; init; }

    /// <summary>Plans kept, a count.</summary>
    public int MaxPlanCount { get; init; }

    /// <summary>Bytes of kept plans' moves at most.</summary>
    public long MaxPlanBytes { get; init; }
}

/// <summary>Section <c>tiering</c>.</summary>
internal static class TieringSection
{
    /// <summary>The price table where none is named.</summary>
    public const string DefaultTable = "aws-us-east-1";

    /// <summary>Reads the section and its price table, whose mistakes are the configuration's.</summary>
    public static TieringConfiguration Read(
        SettingReader section, ConfigurationReading reading, string stateDirectory)
    {
        string name = section.Text(
            "prices", DefaultTable,
            "The price table: the name of one that comes with the program (folder Prices), or a file of your own.",
            "a table's name or a file")!;
        string? route = section.Text(
            "egress", null,
            "The table's route from the object store to this service, whose egress is billed. Default: its first.",
            "a route's name");
        string? retrieval = section.Text(
            "retrieval", null,
            "The kind of retrieval from classes that have several, as 'bulk'. Default: the first of each.",
            "a retrieval's name");
        PriceTableResult prices = PriceTableReader.Load(name, route, retrieval);
        reading.Problems.AddRange(prices.Problems);
        PlanOptions defaults = new() { PolicyHash = string.Empty };
        PackOptions packs = new();
        double repackShare = section.Number(
            "repackShare", packs.RepackShare, 0.05, 1,
            "From which share of dead bytes on 'datalayer pack repack', and automatic tiering, write a pack anew.");
        PlanStoreOptions kept = new() { Folder = string.Empty };
        TieringConfiguration tiering = new()
        {
            Prices = prices.Table ?? new PriceTable("none", [new StorageClassPrice { Name = "none", PerGibMonth = 0 }]),
            PlanValidity = section.Duration(
                "planValidity", defaults.Validity, TimeSpan.FromMinutes(1), TimeSpan.FromDays(30),
                "How long a plan may be applied; an older one is refused."),
            PlanHorizon = section.Duration(
                "planHorizon", defaults.Horizon, TimeSpan.FromHours(1), TimeSpan.FromDays(365),
                "How far ahead a plan forecasts that released files are needed again."),
            UndoWindow = section.Duration(
                "undoWindow", TimeSpan.FromDays(7), TimeSpan.Zero, TimeSpan.FromDays(365),
                "How long after its end a job that applied a plan may be undone, as long as the job is kept."),
            Auto = ReadAuto(section.Section("auto"), stateDirectory, repackShare),
            Learned = ReadLearned(section.Section("learned")),
            Packs = packs with
            {
                PackBytes = section.Size(
                    "packSize", packs.PackBytes, 1L << 20, 256L << 20,
                    "How large a pack of small cold files becomes. One is held in memory while it is written."),
                RepackShare = repackShare,
            },
            MaxPlanCount = section.Count(
                "plansKept", kept.MaxPlanCount, 1, 10_000, "Plans kept; the oldest go."),
            MaxPlanBytes = section.Size(
                "planBytes", kept.MaxBytes, 1L << 20, 1L << 50,
                "Bytes that the moves of kept plans may take in the state directory; the oldest go."),
        };
        section.Done();
        return tiering;
    }

    private static AutoTieringOptions ReadAuto(SettingReader section, string stateDirectory, double repackShare)
    {
        AutoTieringOptions d = new();
        double cost = section.Number(
            "maxCostPerDay", 0, 0, 1e12,
            "What automatic moves may cost in 24 h, in the price table's currency; then they stop. 0 for no bound.");
        AutoTieringOptions auto = new()
        {
            SwitchFile = Path.Combine(stateDirectory, "tiering-auto-is-on"),
            Interval = section.Duration(
                "interval", d.Interval, TimeSpan.FromMinutes(1), TimeSpan.FromDays(1),
                "How often automatic tiering, once it is on ('datalayer tiering auto on'), looks at all files."),
            FillInterval = section.Duration(
                "fillInterval", d.FillInterval, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1),
                "How often it looks at the pools' fill; a passed high mark begins a pass at once."),
            CoolDown = section.Duration(
                "coolDown", d.CoolDown, TimeSpan.FromMinutes(1), TimeSpan.FromDays(365),
                "For how long it leaves a file alone that was moved."),
            MaxMoves = section.Count("moves", d.MaxMoves, 1, 1_000_000, "Files that one pass moves at most."),
            MaxCostPerDay = cost > 0 ? cost : null,
            RepackShare = section.Flag(
                "repack", true, "Whether it writes packs anew that are mostly dead ('tiering.repackShare').")
                ? repackShare
                : null,
            StormReads = section.Count(
                "stormReads", (int)d.StormReads, 1, int.MaxValue,
                "Reads from objects a minute from which on it may be a storm of recalls: then nothing is recalled "
                + "ahead."),
            StormFactor = section.Number(
                "stormFactor", d.StormFactor, 1, 1e6, "How many times the usual number they have to be as well."),
        };
        section.Done();
        return auto;
    }

    private static LearnedWarmOptions ReadLearned(SettingReader section)
    {
        LearnedWarmOptions d = new();
        string zone = section.Text(
            "zone", d.TimeZone.Id, "The time zone that recurring jobs keep time in.", "a zone as Europe/Berlin")!;
        if (!TimeZoneInfo.TryFindSystemTimeZoneById(zone, out TimeZoneInfo? known))
        {
            section.Report("zone", $"There is no time zone '{zone}'.", "Give one as Europe/Berlin or UTC.");
        }

        HashSet<DateOnly> holidays = [];
        foreach (string text in section.TextList(
            "holidays", [], "Weekdays without trading, as 2026-12-25. Those of a fixed date are learned in a year."))
        {
            if (DateOnly.TryParseExact(
                text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly day))
            {
                holidays.Add(day);
            }
            else
            {
                section.Report("holidays", $"'{text}' is no date.", "Write it as 2026-12-25.");
            }
        }

        LearnedWarmOptions learned = new()
        {
            IsEnabled = section.Flag(
                "enabled", d.IsEnabled,
                "Make warm-up jobs shortly before uses that recur by the access history: daily, on trading days, "
                + "weekly, at the end of a month."),
            TimeZone = known ?? d.TimeZone,
            Holidays = holidays,
            Calendar = section.Text(
                "calendar", null, "A calendar of the active policy whose closed days are holidays too.", "a name"),
            Tolerance = section.Duration(
                "tolerance", d.Tolerance, TimeSpan.FromMinutes(1), TimeSpan.FromHours(2),
                "How far from its usual time a job may start."),
            MinConfidence = section.Number(
                "minConfidence", d.MinConfidence, 0, 1, "Below this confidence nothing is warmed."),
            MinLead = section.Duration(
                "minLead", d.MinLead, TimeSpan.FromMinutes(1), TimeSpan.FromHours(12),
                "How long before the earliest start a warm-up begins at least; more where many bytes are missing."),
            MaxLead = section.Duration(
                "maxLead", d.MaxLead, TimeSpan.FromMinutes(1), TimeSpan.FromDays(1), "And at most."),
            MaxFill = section.Number(
                "maxFill", d.MaxFill, 0, 1, "How full the default pool may become by them, as a part of its capacity."),
        };
        section.Done();
        return learned;
    }
}
