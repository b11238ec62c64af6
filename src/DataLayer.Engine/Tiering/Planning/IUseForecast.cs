namespace DataLayer.Engine.Tiering.Planning;

/// <summary>Says from history how likely a file is needed again.</summary>
public interface IUseForecast
{
    /// <summary>The probability, 0 to 1, that the file is read at least once in the time that follows.</summary>
    double ProbabilityOfUse(in FileFacts file, DateTimeOffset now, TimeSpan within);
}
