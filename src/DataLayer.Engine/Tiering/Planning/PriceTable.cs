using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>
/// What storage costs: facts read from a data file, with the date and the place they were taken from. Immutable.
/// </summary>
/// <remarks>
/// A GiB is 2^30 bytes (AWS, Google and Azure bill storage so, whatever they call it), a month has
/// <see cref="DaysPerMonth"/> days. Only the first bracket of a volume discount is known.
/// </remarks>
public sealed class PriceTable
{
    /// <summary>Days of a billed month.</summary>
    public const double DaysPerMonth = 30;

    private readonly Dictionary<string, StorageClassPrice> _classes = new(StringComparer.Ordinal);

    /// <summary>Makes a table.</summary>
    /// <param name="name">Its name, as the configuration refers to it.</param>
    /// <param name="classes">
    /// The classes, at least one, names apart; the first is the one of objects that name none.
    /// </param>
    /// <exception cref="ArgumentException">No class, or one name twice.</exception>
    public PriceTable(string name, IReadOnlyList<StorageClassPrice> classes)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(classes);
        if (classes.Count == 0)
        {
            throw new ArgumentException("A price table has at least one class.", nameof(classes));
        }

        Name = name;
        Classes = classes;
        foreach (StorageClassPrice price in classes)
        {
            if (!_classes.TryAdd(price.Name, price))
            {
                throw new ArgumentException($"The class '{price.Name}' is there twice.", nameof(classes));
            }
        }
    }

    /// <summary>The table's name.</summary>
    public string Name { get; }

    /// <summary>What it is of, for people.</summary>
    public string Title { get; init; } = string.Empty;

    /// <summary>Currency of all amounts, ISO 4217.</summary>
    public string Currency { get; init; } = "USD";

    /// <summary>When the prices were looked up.</summary>
    public DateOnly AsOf { get; init; }

    /// <summary>Where they were looked up.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];

    /// <summary>The classes of the cold tier; the first is the one of objects that name none.</summary>
    public IReadOnlyList<StorageClassPrice> Classes { get; }

    /// <summary>The class of objects that name none.</summary>
    public StorageClassPrice DefaultClass => Classes[0];

    /// <summary>Price of a GiB in the hot tier for a month, one copy.</summary>
    public double HotPerGibMonth { get; init; }

    /// <summary>The same for pools that have a price of their own, by name.</summary>
    public IReadOnlyDictionary<string, double> HotPerGibMonthByPool { get; init; } =
        new Dictionary<string, double>(StringComparer.Ordinal);

    /// <summary>Price of each GiB that leaves the object store for this service.</summary>
    public double EgressPerGib { get; init; }

    /// <summary>A class by name; null where the table does not have it.</summary>
    public StorageClassPrice? Find(string? name) =>
        name is null ? DefaultClass : _classes.GetValueOrDefault(name);

    /// <summary>SHA-256 over every amount, in hex: equal for tables that charge the same.</summary>
    public string ComputeHash()
    {
        StringBuilder text = new();
        Add(text, Currency, HotPerGibMonth, EgressPerGib);
        List<string> pools = [.. HotPerGibMonthByPool.Keys];
        pools.Sort(StringComparer.Ordinal);
        foreach (string pool in pools)
        {
            Add(text, pool, HotPerGibMonthByPool[pool]);
        }

        foreach (StorageClassPrice c in Classes)
        {
            Add(
                text, c.Name, c.PerGibMonth, c.MinDays, c.MinObjectBytes, c.IndexBytes, c.NameBytes, c.PutPer1000,
                c.GetPer1000, c.DeletePer1000, c.RetrievalPerGib, c.RestorePer1000, c.RestoreTime.TotalSeconds);
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static void Add(StringBuilder text, string name, params ReadOnlySpan<double> amounts)
    {
        text.Append(name).Append('\n');
        foreach (double amount in amounts)
        {
            text.Append(amount.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
        }
    }
}
