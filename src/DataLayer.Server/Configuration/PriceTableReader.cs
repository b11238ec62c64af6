using System.Globalization;
using DataLayer.Engine.Tiering.Planning;

namespace DataLayer.Server.Configuration;

/// <summary>The outcome of reading a price table.</summary>
/// <param name="Table">The table; null where anything is wrong.</param>
/// <param name="Problems">All that is wrong, in the file's order.</param>
internal sealed record PriceTableResult(PriceTable? Table, IReadOnlyList<ConfigurationProblem> Problems);

/// <summary>
/// Reads price tables: YAML files with facts, never code. Keys, ranges and complaints work as in the service's
/// configuration. A table's name is its file's without extension.
/// </summary>
internal static class PriceTableReader
{
    private const double MaxPrice = 1_000_000;
    private const double HoursPerMonth = PriceTable.DaysPerMonth * 24;
    private const double GibPerTib = 1024;

    /// <summary>The folder of the tables that come with the program.</summary>
    public static string ShippedFolder => Path.Combine(AppContext.BaseDirectory, "Prices");

    /// <summary>Names of the tables that come with the program.</summary>
    public static IReadOnlyList<string> ListShipped() => Directory.Exists(ShippedFolder)
        ? [.. Directory.EnumerateFiles(ShippedFolder, "*.yaml").Select(f => Path.GetFileNameWithoutExtension(f)!).Order(
            StringComparer.Ordinal)]
        : [];

    /// <summary>Reads a shipped table by name, or any file by path.</summary>
    /// <param name="nameOrPath">A name of <see cref="ListShipped"/>, or a path with a '/' or an extension.</param>
    /// <param name="route">The route to the object store whose egress counts; null for the table's first.</param>
    /// <param name="retrieval">The kind of retrieval where a class has it; null for the first of each.</param>
    public static PriceTableResult Load(string nameOrPath, string? route = null, string? retrieval = null)
    {
        string shipped = Path.Combine(ShippedFolder, nameOrPath + ".yaml");
        bool isName = nameOrPath.IndexOf('/', StringComparison.Ordinal) < 0 && File.Exists(shipped);
        string path = isName ? shipped : nameOrPath;
        ConfigurationReading reading = new();
        if (!File.Exists(path))
        {
            reading.Problems.Add(
                new ConfigurationProblem(
                    ConfigurationOrigin.Default, "tiering.prices",
                    $"There is no price table '{nameOrPath}'.",
                    $"Give a file, or one of: {string.Join(", ", ListShipped())}."));
            return new PriceTableResult(null, reading.Problems);
        }

        MapNode root = ConfigurationSource.ReadFile(path, reading.Problems);
        return Bind(root, Path.GetFileNameWithoutExtension(path), reading, route, retrieval);
    }

    /// <summary>Reads a table's text.</summary>
    public static PriceTableResult ReadText(
        string text, string name, string? route = null, string? retrieval = null)
    {
        ConfigurationReading reading = new();
        return Bind(ConfigurationSource.Parse(text, name, reading.Problems), name, reading, route, retrieval);
    }

    private static PriceTableResult Bind(
        MapNode node, string name, ConfigurationReading reading, string? route, string? retrieval)
    {
        SettingReader root = new(reading, node, string.Empty, string.Empty);
        string title = root.Text("title", name, "What the prices are of.")!;
        string currency = root.Text("currency", "USD", "Currency of all amounts, ISO 4217.", "three letters")!;
        if (currency.Length != 3 || !currency.All(char.IsAsciiLetterUpper))
        {
            root.Report("currency", $"'{currency}' is not a currency's code.", "Write three capitals, as USD.");
        }

        DateOnly asOf = ReadDate(root);
        IReadOnlyList<string> sources = root.TextList("sources", [], "Where the prices were looked up.");
        SettingReader hot = root.Section("hot");
        double hotPrice = ReadStorage(hot, "hot");
        IReadOnlyList<(string Pool, double Price)> pools = hot.Items<(string, double)>(
            "pools",
            pool =>
            {
                (string, double) own = (
                    pool.Text("name", "default", "The pool with a price of its own.", "a pool's name")!,
                    ReadStorage(pool, "pool"));
                pool.Done();
                return own;
            },
            () => []);
        hot.Done();
        double egress = ReadEgress(root, route);
        IReadOnlyList<StorageClassPrice> classes = root.Items("classes", c => ReadClass(c, retrieval), () => []);
        if (classes.Count == 0)
        {
            root.Report("classes", "The table has no storage class.", "Give at least one; the first is the default.");
        }

        CheckUnique(root, "classes", classes.Select(c => c.Name));
        CheckUnique(hot, "pools", pools.Select(p => p.Pool));
        root.Done();
        reading.SortProblems();
        return new PriceTableResult(
            reading.Problems.Count > 0
                ? null
                : new PriceTable(name, classes)
                {
                    Title = title,
                    Currency = currency,
                    AsOf = asOf,
                    Sources = sources,
                    HotPerGibMonth = hotPrice,
                    HotPerGibMonthByPool = pools.ToDictionary(p => p.Pool, p => p.Price, StringComparer.Ordinal),
                    EgressPerGib = egress,
                },
            reading.Problems);
    }

    private static DateOnly ReadDate(SettingReader root)
    {
        string? text = root.Text("asOf", null, "When the prices were looked up.", "a date as 2026-11-23");
        if (
            DateOnly.TryParseExact(
                text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly date))
        {
            return date;
        }

        root.Report(
            "asOf", text is null ? "The date of the prices is missing." : $"'{text}' is not a date.",
            "Write the day they were looked up, as 2026-11-23.");
        return default;
    }

    private static double ReadEgress(SettingReader root, string? wanted)
    {
        IReadOnlyList<(string Route, double Price)> routes = root.Items<(string, double)>(
            "egress",
            item =>
            {
                (string, double) read = (
                    item.Text("route", "default", "Where the service runs, seen from the store.", "a name")!,
                    Price(item, "perGib", "Price of a GiB that leaves the store on this route."));
                item.Done();
                return read;
            },
            () => []);
        CheckUnique(root, "egress", routes.Select(r => r.Route));
        if (wanted is null || routes.Any(r => r.Route == wanted))
        {
            return routes.FirstOrDefault(r => wanted is null || r.Route == wanted).Price;
        }

        root.Report(
            "egress", $"There is no route '{wanted}' (tiering.egress).",
            routes.Count == 0 ? "Add it." : $"Routes are: {string.Join(", ", routes.Select(r => r.Route))}.");
        return 0;
    }

    private static StorageClassPrice ReadClass(SettingReader section, string? wanted)
    {
        string name = section.Text("name", string.Empty, "The class as the store names it.", "a name")!;
        if (name.Length == 0)
        {
            section.Report("name", "The class has no name.", "Write it as the store does, as STANDARD_IA.");
        }

        (string Name, double PerGib, double Per1000, TimeSpan Wait) retrieval = ReadRetrieval(section, wanted);
        StorageClassPrice price = new()
        {
            Name = name,
            PerGibMonth = ReadStorage(section, $"class '{name}'"),
            MinDays = section.Count(
                "minDays", 0, 0, 3650, "Minimum storage duration, days: leaving earlier pays the rest."),
            MinObjectBytes = section.Size(
                "minObject", 0, 0, 1L << 30, "Smaller objects are billed as this large."),
            IndexBytes = section.Size(
                "indexBytes", 0, 0, 1L << 30, "Bytes beside each object, billed in this class."),
            NameBytes = section.Size(
                "nameBytes", 0, 0, 1L << 30, "Bytes beside each object, billed in the first class."),
            PutPer1000 = Price(section, "putPer1000", "Price of 1,000 writing requests."),
            GetPer1000 = Price(section, "getPer1000", "Price of 1,000 reading requests."),
            DeletePer1000 = Price(section, "deletePer1000", "Price of 1,000 deletes."),
            RetrievalPerGib = retrieval.PerGib,
            RestorePer1000 = retrieval.Per1000,
            RestoreTime = retrieval.Wait,
        };
        section.Done();
        return price;
    }

    private static (string Name, double PerGib, double Per1000, TimeSpan Wait) ReadRetrieval(
        SettingReader section, string? wanted)
    {
        IReadOnlyList<(string Name, double PerGib, double Per1000, TimeSpan Wait)> ways =
            section.Items<(string, double, double, TimeSpan)>(
                "retrieval",
                item =>
                {
                    (string, double, double, TimeSpan) way = (
                        item.Text("name", "immediate", "The kind of retrieval.", "a name")!,
                        Price(item, "perGib", "Price of a GiB read out."),
                        Price(item, "per1000", "Price of 1,000 restores."),
                        item.Duration(
                            "wait", TimeSpan.Zero, TimeSpan.Zero, TimeSpan.FromDays(7),
                            "How long a restore takes; 0s where objects are readable at once."));
                    item.Done();
                    return way;
                },
                () => []);
        return ways.Count == 0 ? default : ways.FirstOrDefault(w => w.Name == wanted, ways[0]);
    }

    /// <summary>A price of a GiB and month: given, or computed from what disks cost over their life.</summary>
    private static double ReadStorage(SettingReader section, string what)
    {
        double given = Price(section, "perGibMonth", "Price of a GiB for a month of 30 days.");
        SettingReader disk = section.Section("disk");
        double perTib = Price(disk, "perTib", "Price of a TiB of raw capacity.");
        double life = disk.Number("lifeMonths", 60, 1, 1200, "Months the capacity is used.");
        double raw = disk.Number("rawPerUsable", 1, 0.01, 100, "Raw bytes a usable byte takes: copies, erasure code.");
        double fill = disk.Number("maxFill", 0.8, 0.01, 1, "Part of the capacity that is ever used.");
        double watts = disk.Number("wattsPerTib", 0, 0, 1000, "Power of a TiB of raw capacity, cooling included.");
        double energy = Price(disk, "perKwh", "Price of a kilowatt-hour.");
        double upkeep = Price(disk, "upkeepPerTibMonth", "Space, spares and hands for a raw TiB and month.");
        disk.Done();
        bool hasDisk = section.Has("disk");
        if (hasDisk == section.Has("perGibMonth"))
        {
            section.Report(
                hasDisk ? "disk" : "perGibMonth",
                hasDisk ? "Both perGibMonth and disk are given." : $"The {what} has no price.",
                "Give perGibMonth, or disk, from which it is computed.");
        }

        double rawTib = (perTib / life) + (watts / 1000 * HoursPerMonth * energy) + upkeep;
        return hasDisk ? rawTib * raw / fill / GibPerTib : given;
    }

    private static double Price(SettingReader section, string name, string summary) =>
        section.Number(name, 0, 0, MaxPrice, summary);

    private static void CheckUnique(SettingReader section, string key, IEnumerable<string> names)
    {
        foreach (IGrouping<string, string> same in names.GroupBy(n => n, StringComparer.Ordinal))
        {
            if (same.Count() > 1)
            {
                section.Report(key, $"'{same.Key}' is there {same.Count()} times.", "Keep one of them.");
            }
        }
    }
}
