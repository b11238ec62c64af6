using System.Globalization;
using System.Text;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>Collects errors and warnings while a document is read: all of them, up to a bound.</summary>
internal sealed class PolicyErrors
{
    /// <summary>Errors kept; the rest is counted. A document with more is a wrong file, not a typing error.</summary>
    public const int MaxCount = 1000;

    private const int MaxShownValue = 60;
    private readonly List<PolicyError> _errors = [];
    private readonly List<PolicyError> _warnings = [];
    private int _more;

    /// <summary>Whether nothing is wrong so far.</summary>
    public bool IsEmpty => _errors.Count == 0;

    /// <summary>Whether further errors are only counted: no work need go into their remedies.</summary>
    public bool IsFull => _errors.Count >= MaxCount;

    /// <summary>Notes an error.</summary>
    public void Add(PolicyPlace place, string message, string remedy)
    {
        if (_errors.Count >= MaxCount)
        {
            _more++;
            return;
        }

        _errors.Add(new PolicyError(Math.Max(1, place.Line), Math.Max(1, place.Column), message, remedy));
    }

    /// <summary>Notes what is allowed and most likely not meant.</summary>
    public void Warn(PolicyPlace place, string message, string remedy)
    {
        if (_warnings.Count < MaxCount)
        {
            _warnings.Add(new PolicyError(Math.Max(1, place.Line), Math.Max(1, place.Column), message, remedy));
        }
    }

    /// <summary>All errors by place.</summary>
    public IReadOnlyList<PolicyError> ToErrors()
    {
        List<PolicyError> sorted = Sorted(_errors);
        if (_more > 0)
        {
            PolicyError last = sorted[^1];
            sorted.Add(new PolicyError(
                last.Line, last.Column,
                string.Create(CultureInfo.InvariantCulture, $"There are {_more} more errors."),
                "Correct these first, and check again."));
        }

        return sorted;
    }

    /// <summary>All warnings by place.</summary>
    public IReadOnlyList<PolicyError> ToWarnings() => Sorted(_warnings);

    /// <summary>A value as a message shows it: in quotes, short, one line.</summary>
    public static string Quote(string value)
    {
        StringBuilder shown = new("'");
        foreach (Rune rune in value.EnumerateRunes())
        {
            if (shown.Length > MaxShownValue)
            {
                shown.Append('…');
                break;
            }

            shown.Append(Rune.IsControl(rune) ? "\uFFFD" : rune.ToString());
        }

        return shown.Append('\'').ToString();
    }

    private static List<PolicyError> Sorted(List<PolicyError> errors)
    {
        List<(PolicyError Error, int Order)> keyed = [];
        foreach (PolicyError error in errors)
        {
            keyed.Add((error, keyed.Count));
        }

        keyed.Sort(static (a, b) =>
            (a.Error.Line, a.Error.Column, a.Order).CompareTo((b.Error.Line, b.Error.Column, b.Order)));
        return keyed.ConvertAll(static k => k.Error);
    }
}
